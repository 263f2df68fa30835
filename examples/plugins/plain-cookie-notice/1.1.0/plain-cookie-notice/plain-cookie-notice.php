<?php
/**
 * Plugin Name:       Plain Cookie Notice
 * Description:       Tells visitors once, at the foot of the page, that the site sets cookies.
 * Version:           1.1.0
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

const PLAIN_COOKIE_NOTICE_VERSION = '1.1.0';
const PLAIN_COOKIE_NOTICE_OPTION  = 'plain_cookie_notice_text';

if ( is_admin() ) {
	require_once __DIR__ . '/includes/settings.php';
}

/**
 * Returns the notice's own words, translated.
 */
function plain_cookie_notice_default_text(): string {
	return __( 'This site sets cookies that it needs to work.', 'plain-cookie-notice' );
}

/**
 * Returns the site's words or, where there are none, the notice's own.
 */
function plain_cookie_notice_text(): string {
	$text = trim( (string) get_option( PLAIN_COOKIE_NOTICE_OPTION, '' ) );
	return '' === $text ? plain_cookie_notice_default_text() : $text;
}

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
		<p>
			<?php echo esc_html( plain_cookie_notice_text() ); ?>
			<?php echo wp_kses_post( get_the_privacy_policy_link() ); ?>
		</p>
		<button type="button"><?php esc_html_e( 'Understood', 'plain-cookie-notice' ); ?></button>
	</div>
	<?php
}
add_action( 'wp_footer', 'plain_cookie_notice_print' );
