<?php
/**
 * Plugin Name:       Plain Maintenance Page
 * Description:       Shows visitors a short page with status 503 while you work on the site.
 * Version:           1.1.0
 * Requires at least: 5.9
 * Requires PHP:      7.4
 * Author:            The Plugin Federation Network contributors
 * License:           GPL-2.0-or-later
 * License URI:       https://www.gnu.org/licenses/gpl-2.0.html
 * Text Domain:       plain-maintenance-page
 * Tags:              maintenance, offline, 503
 */

if ( ! defined( 'ABSPATH' ) ) {
	exit;
}

const PLAIN_MAINTENANCE_PAGE_SWITCH  = 'plain_maintenance_page_on';
const PLAIN_MAINTENANCE_PAGE_MESSAGE = 'plain_maintenance_page_message';

if ( is_admin() ) {
	require_once __DIR__ . '/includes/settings.php';
}

/**
 * Tells whether the page is switched on; until somebody switches it off, it is.
 */
function plain_maintenance_page_is_on(): bool {
	return '1' === (string) get_option( PLAIN_MAINTENANCE_PAGE_SWITCH, '1' );
}

/**
 * Tells whether the one who asks is to see the page instead of the site.
 */
function plain_maintenance_page_is_due(): bool {
	return plain_maintenance_page_is_on() && ! current_user_can( 'edit_posts' );
}

/**
 * Returns the page's own message, translated.
 */
function plain_maintenance_page_default_message(): string {
	return __( 'We are working on this site. Please come back soon.', 'plain-maintenance-page' );
}

/**
 * Returns the site's message or, where there is none, the page's own.
 */
function plain_maintenance_page_message(): string {
	$message = trim( (string) get_option( PLAIN_MAINTENANCE_PAGE_MESSAGE, '' ) );
	return '' === $message ? plain_maintenance_page_default_message() : $message;
}

/**
 * Answers with the maintenance page unless the one who asks works on the site.
 *
 * Signing in, the dashboard, scheduled tasks and robots.txt do not pass here and go on working.
 */
function plain_maintenance_page_answer() {
	if ( ! plain_maintenance_page_is_due() || is_robots() || is_favicon() ) {
		return;
	}
	status_header( 503 );
	nocache_headers();
	header( 'Retry-After: 3600' );
	header( 'Content-Type: text/html; charset=' . get_option( 'blog_charset' ) );
	require __DIR__ . '/includes/page.php';
	exit;
}
add_action( 'template_redirect', 'plain_maintenance_page_answer', 0 );

/**
 * Closes the REST API to those who get the page.
 *
 * @param WP_Error|true|null $result What was decided before.
 */
function plain_maintenance_page_close_rest( $result ) {
	if ( is_wp_error( $result ) || ! plain_maintenance_page_is_due() ) {
		return $result;
	}
	return new WP_Error( 'plain_maintenance_page', plain_maintenance_page_message(), array( 'status' => 503 ) );
}
// After core has checked the cookie's nonce, at 100: only then is it known who asks.
add_filter( 'rest_authentication_errors', 'plain_maintenance_page_close_rest', 101 );

/**
 * Reminds those who see the site that visitors do not.
 *
 * @param WP_Admin_Bar $bar The toolbar.
 */
function plain_maintenance_page_remind( $bar ) {
	if ( plain_maintenance_page_is_on() && current_user_can( 'manage_options' ) ) {
		$bar->add_node(
			array(
				'id'    => 'plain-maintenance-page',
				'title' => esc_html__( 'Maintenance page is on', 'plain-maintenance-page' ),
				'href'  => admin_url( 'options-reading.php' ),
			)
		);
	}
}
add_action( 'admin_bar_menu', 'plain_maintenance_page_remind', 100 );
