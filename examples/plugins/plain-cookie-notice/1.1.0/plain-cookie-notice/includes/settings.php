<?php
/**
 * The field "Cookie notice" on Settings > General.
 */

if ( ! defined( 'ABSPATH' ) ) {
	exit;
}

/**
 * Prints the field.
 */
function plain_cookie_notice_print_field() {
	printf(
		'<input type="text" id="%1$s" name="%1$s" value="%2$s" placeholder="%3$s" class="regular-text">',
		esc_attr( PLAIN_COOKIE_NOTICE_OPTION ),
		esc_attr( (string) get_option( PLAIN_COOKIE_NOTICE_OPTION, '' ) ),
		esc_attr( plain_cookie_notice_default_text() )
	);
	printf(
		'<p class="description">%s</p>',
		esc_html__( 'Left empty, the notice says its own words, in the language of the site.', 'plain-cookie-notice' )
	);
}

/**
 * Registers the option and its field.
 */
function plain_cookie_notice_register_settings() {
	register_setting(
		'general',
		PLAIN_COOKIE_NOTICE_OPTION,
		array(
			'type'              => 'string',
			'sanitize_callback' => 'sanitize_text_field',
			'default'           => '',
		)
	);
	add_settings_field(
		PLAIN_COOKIE_NOTICE_OPTION,
		esc_html__( 'Cookie notice', 'plain-cookie-notice' ),
		'plain_cookie_notice_print_field',
		'general',
		'default',
		array( 'label_for' => PLAIN_COOKIE_NOTICE_OPTION )
	);
}
add_action( 'admin_init', 'plain_cookie_notice_register_settings' );
