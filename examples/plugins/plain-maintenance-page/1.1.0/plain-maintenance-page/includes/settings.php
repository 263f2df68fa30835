<?php
/**
 * The fields "Maintenance page" and "Maintenance message" on Settings > Reading.
 */

if ( ! defined( 'ABSPATH' ) ) {
	exit;
}

/**
 * Reads the switch: an unticked box is not sent at all.
 *
 * @param mixed $value What was sent.
 */
function plain_maintenance_page_sanitize_switch( $value ): string {
	return $value ? '1' : '0';
}

/**
 * Prints the switch.
 */
function plain_maintenance_page_print_switch() {
	printf(
		'<label><input type="checkbox" id="%1$s" name="%1$s" value="1"%2$s> %3$s</label>',
		esc_attr( PLAIN_MAINTENANCE_PAGE_SWITCH ),
		checked( plain_maintenance_page_is_on(), true, false ),
		esc_html__( 'Show it to visitors', 'plain-maintenance-page' )
	);
}

/**
 * Prints the message's field.
 */
function plain_maintenance_page_print_message() {
	printf(
		'<textarea id="%1$s" name="%1$s" rows="3" class="large-text" placeholder="%2$s">%3$s</textarea>',
		esc_attr( PLAIN_MAINTENANCE_PAGE_MESSAGE ),
		esc_attr( plain_maintenance_page_default_message() ),
		esc_textarea( (string) get_option( PLAIN_MAINTENANCE_PAGE_MESSAGE, '' ) )
	);
}

/**
 * Registers the options and their fields.
 */
function plain_maintenance_page_register_settings() {
	register_setting(
		'reading',
		PLAIN_MAINTENANCE_PAGE_SWITCH,
		array(
			'type'              => 'string',
			'sanitize_callback' => 'plain_maintenance_page_sanitize_switch',
			'default'           => '1',
		)
	);
	register_setting(
		'reading',
		PLAIN_MAINTENANCE_PAGE_MESSAGE,
		array(
			'type'              => 'string',
			'sanitize_callback' => 'sanitize_textarea_field',
			'default'           => '',
		)
	);
	add_settings_field(
		PLAIN_MAINTENANCE_PAGE_SWITCH,
		esc_html__( 'Maintenance page', 'plain-maintenance-page' ),
		'plain_maintenance_page_print_switch',
		'reading'
	);
	add_settings_field(
		PLAIN_MAINTENANCE_PAGE_MESSAGE,
		esc_html__( 'Maintenance message', 'plain-maintenance-page' ),
		'plain_maintenance_page_print_message',
		'reading',
		'default',
		array( 'label_for' => PLAIN_MAINTENANCE_PAGE_MESSAGE )
	);
}
add_action( 'admin_init', 'plain_maintenance_page_register_settings' );
