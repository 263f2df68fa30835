<?php
/**
 * What visitors see.
 */

if ( ! defined( 'ABSPATH' ) ) {
	exit;
}
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
	<p><?php echo nl2br( esc_html( plain_maintenance_page_message() ) ); ?></p>
</body>
</html>
