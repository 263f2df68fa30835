<?php
/**
 * Plugin Name:       Plain Reading Time
 * Description:       Says above each post how many minutes it takes to read.
 * Version:           1.0.0
 * Requires at least: 5.9
 * Requires PHP:      7.4
 * Author:            The Plugin Federation Network contributors
 * License:           GPL-2.0-or-later
 * License URI:       https://www.gnu.org/licenses/gpl-2.0.html
 * Text Domain:       plain-reading-time
 * Tags:              reading time, posts, words
 */

if ( ! defined( 'ABSPATH' ) ) {
	exit;
}

const PLAIN_READING_TIME_WORDS_PER_MINUTE = 230;

/**
 * Tells how many minutes a text takes to read, at least one.
 *
 * @param string $content The text, with markup, blocks and shortcodes.
 */
function plain_reading_time_minutes( string $content ): int {
	$text  = wp_strip_all_tags( strip_shortcodes( $content ) );
	$words = preg_match_all( '/\S+/u', $text );
	return max( 1, (int) ceil( $words / PLAIN_READING_TIME_WORDS_PER_MINUTE ) );
}

/**
 * Puts the line above the content of a single post.
 *
 * @param string $content The content of the post.
 */
function plain_reading_time_prepend( $content ) {
	// An excerpt made from the content would carry the line too.
	if ( ! is_singular( 'post' ) || ! in_the_loop() || ! is_main_query() || doing_filter( 'get_the_excerpt' ) ) {
		return $content;
	}
	$minutes = plain_reading_time_minutes( (string) $content );
	$label   = sprintf(
		/* translators: %s: a number of minutes. */
		_n( '%s minute to read', '%s minutes to read', $minutes, 'plain-reading-time' ),
		number_format_i18n( $minutes )
	);
	return '<p class="plain-reading-time">' . esc_html( $label ) . '</p>' . $content;
}
add_filter( 'the_content', 'plain_reading_time_prepend' );
