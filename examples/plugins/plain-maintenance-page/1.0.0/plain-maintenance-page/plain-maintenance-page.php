<?php
/**
 * Plugin Name:       Plain Maintenance Page
 * Description:       Shows visitors a short page with status 503 while you work on the site.
 * Version:           1.0.0
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

/**
 * Answers with the maintenance page unless the one who asks works on the site.
 *
 * Signing in, the dashboard, scheduled tasks and robots.txt do not pass here and go on working.
 */
function plain_maintenance_page_answer() {
	if ( current_user_can( 'edit_posts' ) || is_robots() || is_favicon() ) {
		return;
	}
	status_header( 503 );
	nocache_headers();
	header( 'Retry-After: 3600' );
	header( 'Content-Type: text/html; charset=' . get_option( 'blog_charset' ) );
	?>
<!DOCTYPE html>
<html <?php language_attributes(); ?>>
<head>
	<meta charset="<?php bloginfo( 'charset' ); ?>">
	<meta name="viewport" content="width=device-width, initial-scale=1">
	<title><?php bloginfo( 'name' ); ?></title>
	<style>body { font: 1.25rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 20vh auto; padding: 0 1rem; }</style>
</head>
<body>
	<h1><?php bloginfo( 'name' ); ?></h1>
	<p><?php esc_html_e( 'We are working on this site. Please come back soon.', 'plain-maintenance-page' ); ?></p>
</body>
</html>
	<?php
	exit;
}
add_action( 'template_redirect', 'plain_maintenance_page_answer', 0 );
