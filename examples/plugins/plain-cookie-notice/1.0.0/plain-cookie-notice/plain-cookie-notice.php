<?php
/**
 * Plugin Name:       Plain Cookie Notice
 * Description:       Tells visitors once, at the foot of the page, that the site sets cookies.
 * Version:           1.0.0
 * Requires at least: 5.9
 * Requires PHP:      7.4
 * Author:            The Plugin Federation Network contributors
 * License:           GPL-2.0-or-later
 * License URI:       https://www.gnu.org/licenses/gpl-2.0.html
 * Text Domain:       plain-cookie-notice
 * Tags:              cookies, notice, privacy
 */

if ( ! defined( 'ABSPATH' ) ) {
	exit;
}

const PLAIN_COOKIE_NOTICE_VERSION = '1.0.0';

/**
 * Loads the notice's own small script and style, from this site.
 */
function plain_cookie_notice_enqueue() {
	wp_enqueue_style( 'plain-cookie-notice', plugins_url( 'assets/notice.css', __FILE__ ), array(), PLAIN_COOKIE_NOTICE_VERSION );
	wp_enqueue_script( 'plain-cookie-notice', plugins_url( 'assets/notice.js', __FILE__ ), array(), PLAIN_COOKIE_NOTICE_VERSION, true );
}
add_action( 'wp_enqueue_scripts', 'plain_cookie_notice_enqueue' );

/**
 * Prints the notice, hidden: the script shows it to those who have not dismissed it.
 */
function plain_cookie_notice_print() {
	?>
	<div id="plain-cookie-notice" class="plain-cookie-notice" role="region" aria-label="<?php esc_attr_e( 'Cookies', 'plain-cookie-notice' ); ?>" hidden>
		<p><?php esc_html_e( 'This site sets cookies that it needs to work.', 'plain-cookie-notice' ); ?></p>
		<button type="button"><?php esc_html_e( 'Understood', 'plain-cookie-notice' ); ?></button>
	</div>
	<?php
}
add_action( 'wp_footer', 'plain_cookie_notice_print' );
