<?php
/**
 * Plugin Name:       Plain Reading Time
 * Description:       Says above each post how many minutes it takes to read.
 * Version:           1.1.0
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

const PLAIN_READING_TIME_OPTION           = 'plain_reading_time_words_per_minute';
const PLAIN_READING_TIME_WORDS_PER_MINUTE = 230;

if ( is_admin() ) {
	require_once __DIR__ . '/includes/settings.php';
}

/**
 * Tells how many words a minute the site counts with.
 */
function plain_reading_time_pace(): int {
	return max( 1, (int) get_option( PLAIN_READING_TIME_OPTION, PLAIN_READING_TIME_WORDS_PER_MINUTE ) );
}

/**
 * Tells how many minutes a text takes to read, at least one.
 *
 * Chinese and Japanese put no spaces between words: there each sign counts as half a word.
 *
 * @param string $content The text, with markup, blocks and shortcodes.
 */
function plain_reading_time_minutes( string $content ): int {
	$text  = wp_strip_all_tags( strip_shortcodes( $content ) );
	$signs = preg_match_all( '/[\p{Han}\p{Hiragana}\p{Katakana}]/u', $text );
	$words = preg_match_all( '/[^\s\p{Han}\p{Hiragana}\p{Katakana}]+/u', $text );
	return max( 1, (int) ceil( ( $words + $signs / 2 ) / plain_reading_time_pace() ) );
}

/**
 * Says in words how long a text takes to read.
 *
 * @param string $content The text, with markup, blocks and shortcodes.
 */
function plain_reading_time_label( string $content ): string {
	$minutes = plain_reading_time_minutes( $content );
	$label   = sprintf(
		/* translators: %s: a number of minutes. */
		_n( '%s minute to read', '%s minutes to read', $minutes, 'plain-reading-time' ),
		number_format_i18n( $minutes )
	);

	/**
	 * Filters the words shown for a reading time; they are escaped afterwards.
	 *
	 * @param string $label   The words.
	 * @param int    $minutes The minutes they speak of.
	 */
	return (string) apply_filters( 'plain_reading_time_label', $label, $minutes );
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
	$label = plain_reading_time_label( (string) $content );
	return '<p class="plain-reading-time">' . esc_html( $label ) . '</p>' . $content;
}
add_filter( 'the_content', 'plain_reading_time_prepend' );

/**
 * Answers the shortcode [plain_reading_time] with the reading time of the post it stands in.
 */
function plain_reading_time_shortcode(): string {
	$post = get_post();
	if ( null === $post ) {
		return '';
	}
	return '<span class="plain-reading-time">' . esc_html( plain_reading_time_label( $post->post_content ) ) . '</span>';
}
add_shortcode( 'plain_reading_time', 'plain_reading_time_shortcode' );
