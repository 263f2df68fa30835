<?php
/**
 * The field "Words per minute" on Settings > Reading.
 */

if ( ! defined( 'ABSPATH' ) ) {
	exit;
}

/**
 * Keeps the pace within what people read.
 *
 * @param mixed $value What was sent.
 */
function plain_reading_time_sanitize_pace( $value ): int {
	return min( 1000, max( 50, absint( $value ) ) );
}

/**
 * Prints the field.
 */
function plain_reading_time_print_field() {
	printf(
		'<input type="number" min="50" max="1000" step="10" id="%1$s" name="%1$s" value="%2$s" class="small-text">',
		esc_attr( PLAIN_READING_TIME_OPTION ),
		esc_attr( (string) plain_reading_time_pace() )
	);
}

/**
 * Registers the option and its field.
 */
function plain_reading_time_register_settings() {
	register_setting(
		'reading',
		PLAIN_READING_TIME_OPTION,
		array(
			'type'              => 'integer',
			'sanitize_callback' => 'plain_reading_time_sanitize_pace',
			'default'           => PLAIN_READING_TIME_WORDS_PER_MINUTE,
		)
	);
	add_settings_field(
		PLAIN_READING_TIME_OPTION,
		esc_html__( 'Words per minute', 'plain-reading-time' ),
		'plain_reading_time_print_field',
		'reading',
		'default',
		array( 'label_for' => PLAIN_READING_TIME_OPTION )
	);
}
add_action( 'admin_init', 'plain_reading_time_register_settings' );
