<?php
/**
 * Plugin Name: Plugins from a federation node
 * Description: Installs and updates the plugins listed in this file from a node, and refuses what their authors did not sign.
 * Version: 1.0.0
 * Requires at least: 5.9
 * Requires PHP: 7.4
 * License: GPL-2.0-or-later
 * Text Domain: pfn-site
 *
 * Put this file into wp-content/mu-plugins. It was made by the node named below and holds no secret: the plugins the
 * site's owner chose, and the keys their authors sign with. Those keys are believed, the nodes are not.
 *
 * To choose other plugins, or when an author has new keys, fetch it again. To be rid of it, delete it: nothing stays
 * but site transients named pfn_site_…, which expire by themselves.
 *
 * It is free software: you can redistribute it and modify it under the terms of the GNU General Public License, version
 * 2 or any later version. There is no warranty.
 *
 * @package pfn-site
 */

if ( ! defined( 'ABSPATH' ) ) {
	exit;
}

/**
 * Whom to ask, what may come from there, and what is refused.
 */
final class Pfn_Site {

	// Addresses of nodes, the first to be asked first.
	const NODES = array();

	// Slug => the source it comes from, and the keys that may sign it.
	const PLUGINS = array();

	// Seconds a node has for an answer, and for which one that gave none is left alone.
	const PATIENCE = 3;
	const REST     = 600;

	// Where what the nodes say about the plugins is kept.
	const FACTS = 'pfn_site_facts';

	/**
	 * The plugin that is being downloaded from a node: slug and version.
	 *
	 * @var array|null
	 */
	private static $coming = null;

	/**
	 * Whether the update check of all other plugins is on its way.
	 *
	 * @var bool
	 */
	private static $asking = false;

	/**
	 * Hooks into WordPress. Nothing is asked or read by this.
	 */
	public static function start() {
		add_action( 'init', array( __CLASS__, 'translate' ) );
		add_filter( 'pre_http_request', array( __CLASS__, 'check_updates' ), 10, 3 );
		add_filter( 'plugins_api', array( __CLASS__, 'inform' ), 10, 3 );
		add_filter( 'plugins_api_result', array( __CLASS__, 'add_found' ), 10, 3 );
		add_filter( 'install_plugins_tabs', array( __CLASS__, 'add_tab' ) );
		add_filter( 'install_plugins_table_api_args_pfn', array( __CLASS__, 'fill_tab' ) );
		add_action( 'install_plugins_pfn', 'display_plugins_table' );
		add_filter( 'upgrader_pre_download', array( __CLASS__, 'download' ), 10, 4 );
		add_filter( 'upgrader_source_selection', array( __CLASS__, 'check_content' ), 10, 1 );
		add_filter( 'wp_signature_hosts', array( __CLASS__, 'add_hosts' ) );
		add_filter( 'wp_trusted_keys', array( __CLASS__, 'choose_keys' ) );
		add_filter( 'wp_signature_softfail', array( __CLASS__, 'refuse_unsigned' ), 10, 2 );
		add_filter( 'http_request_host_is_external', array( __CLASS__, 'allow_host' ), 10, 3 );
		add_filter( 'http_allowed_safe_ports', array( __CLASS__, 'allow_port' ), 10, 3 );
		add_action( 'requests-requests.before_request', array( __CLASS__, 'hurry' ), 10, 5 );
		add_filter( 'plugin_row_meta', array( __CLASS__, 'describe' ), 10, 2 );
	}

	/**
	 * Loads translations, if there are any: mu-plugins/pfn-site-de_DE.mo and so on.
	 */
	public static function translate() {
		load_muplugin_textdomain( 'pfn-site' );
	}

	/**
	 * Splits core's update check: listed plugins are asked of a node, and of nobody else.
	 *
	 * @param mixed  $reply What another filter answered, or false.
	 * @param array  $args  The request.
	 * @param string $url   Where it goes.
	 * @return mixed The answer to both parts as one, or $reply where nothing is listed.
	 */
	public static function check_updates( $reply, $args, $url ) {
		if ( false !== $reply || self::$asking || ! preg_match( '#^https?://api\.wordpress\.org/plugins/update-check/1\.1/#', $url ) ) {
			return $reply;
		}
		$sent = isset( $args['body']['plugins'] ) ? json_decode( $args['body']['plugins'], true ) : null;
		if ( ! isset( $sent['plugins'] ) || ! is_array( $sent['plugins'] ) ) {
			return $reply;
		}
		$ours = array_filter( $sent['plugins'], array( __CLASS__, 'is_listed' ), ARRAY_FILTER_USE_KEY );
		if ( ! $ours ) {
			return $reply;
		}
		$sent['plugins']         = (object) array_diff_key( $sent['plugins'], $ours );
		$active                  = isset( $sent['active'] ) ? (array) $sent['active'] : array();
		$sent['active']          = array_values( array_diff( $active, array_keys( $ours ) ) );
		$args['body']['plugins'] = wp_json_encode( $sent );

		self::$asking = true;
		$theirs       = wp_remote_post( $url, $args );
		self::$asking = false;
		$known        = self::known_updates();
		$offered      = self::ask_updates( $ours );
		if ( is_wp_error( $theirs ) || 200 !== wp_remote_retrieve_response_code( $theirs ) ) {
			if ( null === $offered ) {
				return $theirs;
			}
			// The directory is away: what it said last stands.
			$answer = $known;
			$theirs = array(
				'headers'  => array(),
				'response' => array(
					'code'    => 200,
					'message' => 'OK',
				),
				'cookies'  => array(),
				'filename' => null,
			);
		} else {
			$answer = json_decode( wp_remote_retrieve_body( $theirs ), true );
			if ( ! is_array( $answer ) ) {
				return $theirs;
			}
		}
		if ( null === $offered ) {
			$offered = $known;
		}
		foreach ( array( 'plugins', 'no_update' ) as $part ) {
			$others          = isset( $answer[ $part ] ) ? (array) $answer[ $part ] : array();
			$answer[ $part ] = array_diff_key( $others, $ours ) + array_intersect_key( $offered[ $part ], $ours );
		}
		$answer['translations'] = isset( $answer['translations'] ) ? (array) $answer['translations'] : array();
		$theirs['body']         = wp_json_encode( $answer );
		return $theirs;
	}

	/**
	 * Asks the nodes which of the listed plugins have a newer version.
	 *
	 * Believes of the answer only what was asked, only versions that are newer, and only the zips it should name.
	 *
	 * @param array $installed File => plugin header.
	 * @return array|null Items by file under plugins and no_update; null where no node answered.
	 */
	private static function ask_updates( $installed ) {
		$body   = array(
			'plugins'      => wp_json_encode(
				array(
					'plugins' => $installed,
					'active'  => array(),
				)
			),
			'translations' => '[]',
			'locale'       => '[]',
			'all'          => 'true',
		);
		$answer = self::ask(
			'/plugins/update-check/1.1/',
			array(
				'method' => 'POST',
				'body'   => $body,
			)
		);
		if ( ! isset( $answer['plugins'], $answer['no_update'] ) || ! is_array( $answer['plugins'] ) || ! is_array( $answer['no_update'] ) ) {
			return null;
		}
		self::fetch_facts();
		$offered = array(
			'plugins'   => array(),
			'no_update' => array(),
		);
		foreach ( array( 'no_update', 'plugins' ) as $part ) {
			foreach ( $answer[ $part ] as $file => $item ) {
				if ( ! isset( $installed[ $file ] ) || ! isset( $item['new_version'] ) || ! is_string( $item['new_version'] ) ) {
					continue;
				}
				$slug         = dirname( $file );
				$item['slug'] = $slug;
				if ( ! isset( $item['package'] ) || ! self::is_package( $item['package'], $slug, $item['new_version'] ) ) {
					$item['package'] = '';
				}
				// What updates by itself is for the site's owner to say.
				unset( $item['autoupdate'], $item['disable_autoupdate'] );
				$newer = version_compare( $item['new_version'], $installed[ $file ]['Version'], '>' );

				$offered[ $newer ? 'plugins' : 'no_update' ][ $file ] = $item;
			}
		}
		return $offered;
	}

	/**
	 * Gives what core knows of updates, as an answer.
	 *
	 * @return array
	 */
	private static function known_updates() {
		$known = get_site_transient( 'update_plugins' );
		return array(
			'plugins'      => isset( $known->response ) ? (array) $known->response : array(),
			'no_update'    => isset( $known->no_update ) ? (array) $known->no_update : array(),
			'translations' => isset( $known->translations ) ? (array) $known->translations : array(),
		);
	}

	/**
	 * Answers core's questions about listed plugins.
	 *
	 * @param mixed  $result What another filter answered, or false.
	 * @param string $action What is asked.
	 * @param object $args   About what.
	 * @return mixed
	 */
	public static function inform( $result, $action, $args ) {
		if ( 'query_plugins' === $action && isset( $args->browse ) && 'pfn' === $args->browse ) {
			return self::show_cards( self::find_cards( null ) );
		}
		if ( 'plugin_information' !== $action || ! isset( $args->slug ) || ! isset( self::PLUGINS[ $args->slug ] ) ) {
			return $result;
		}
		$query  = array(
			'action'  => 'plugin_information',
			'request' => array(
				'slug'   => $args->slug,
				'locale' => isset( $args->locale ) ? $args->locale : '',
			),
		);
		$answer = self::ask( '/plugins/info/1.2/?' . http_build_query( $query, '', '&' ), array() );
		if ( null === $answer ) {
			return new WP_Error( 'plugins_api_failed', __( 'No node can be reached now. Please try again in some minutes.', 'pfn-site' ) );
		}
		if ( isset( $answer['error'] ) || ! isset( $answer['name'], $answer['version'], $answer['download_link'] ) ) {
			$reason = isset( $answer['error'] ) && is_string( $answer['error'] ) ? $answer['error'] : __( 'The node sent an answer that cannot be read.', 'pfn-site' );
			return new WP_Error( 'plugins_api_failed', $reason );
		}
		$answer['slug'] = $args->slug;
		if ( ! self::is_package( $answer['download_link'], $args->slug, $answer['version'] ) ) {
			$answer['download_link'] = '';
		}
		return (object) $answer;
	}

	/**
	 * Puts listed plugins into search results, and nobody else's plugins of the same name.
	 *
	 * @param mixed  $result What the directory found.
	 * @param string $action What was asked.
	 * @param object $args   About what.
	 * @return mixed
	 */
	public static function add_found( $result, $action, $args ) {
		if ( 'query_plugins' !== $action || ( isset( $args->browse ) && 'pfn' === $args->browse ) ) {
			return $result;
		}
		$first = isset( $args->search ) && is_string( $args->search ) && ( ! isset( $args->page ) || (int) $args->page < 2 );
		// What is typed comes in another layer of encoding than what is sent with the form.
		$found = $first ? self::find_cards( rawurldecode( $args->search ) ) : array();
		if ( is_wp_error( $result ) ) {
			return $found ? self::show_cards( $found ) : $result;
		}
		if ( ! isset( $result->plugins, $result->info ) || ! is_array( $result->plugins ) ) {
			return $result;
		}
		$others = array();
		foreach ( $result->plugins as $plugin ) {
			$card = (array) $plugin;
			if ( ! isset( $card['slug'] ) || ! isset( self::PLUGINS[ $card['slug'] ] ) ) {
				$others[] = $plugin;
			}
		}
		$result->plugins = array_merge( $found, $others );
		if ( isset( $result->info['results'] ) ) {
			$result->info['results'] += count( $found );
		}
		return $result;
	}

	/**
	 * Gives the cards of listed plugins in which all words occur, or of all.
	 *
	 * @param string|null $words What is searched for.
	 * @return array
	 */
	private static function find_cards( $words ) {
		$found = array();
		foreach ( self::facts( true ) as $fact ) {
			if ( ! isset( $fact['card']['name'], $fact['card']['short_description'], $fact['card']['tags'] ) ) {
				continue;
			}
			$card = $fact['card'];
			$text = $card['slug'] . ' ' . $card['name'] . ' ' . $card['short_description'] . ' ' . wp_json_encode( $card['tags'] );
			foreach ( preg_split( '/\s+/', (string) $words, -1, PREG_SPLIT_NO_EMPTY ) as $word ) {
				if ( false === stripos( $text, $word ) ) {
					continue 2;
				}
			}
			$found[] = $card;
		}
		return $found;
	}

	/**
	 * Makes the answer to a query of cards.
	 *
	 * @param array $cards The cards.
	 * @return object
	 */
	private static function show_cards( $cards ) {
		return (object) array(
			'info'    => array(
				'page'    => 1,
				'pages'   => 1,
				'results' => count( $cards ),
			),
			'plugins' => $cards,
		);
	}

	/**
	 * Adds a tab with the listed plugins to the screen that adds plugins.
	 *
	 * @param array $tabs The tabs.
	 * @return array
	 */
	public static function add_tab( $tabs ) {
		/* translators: The name of a tab: plugins that come from a node. */
		$tabs['pfn'] = _x( 'From the node', 'Plugin Installer', 'pfn-site' );
		return $tabs;
	}

	/**
	 * Says what the tab shows.
	 *
	 * @return array
	 */
	public static function fill_tab() {
		return array(
			'browse'   => 'pfn',
			'page'     => 1,
			'per_page' => max( 1, count( self::PLUGINS ) ),
		);
	}

	/**
	 * Downloads a listed plugin, from another node where the first is away, and has core check its signature.
	 *
	 * @param mixed  $reply    What another filter downloaded, or false.
	 * @param string $package  The zip's address.
	 * @param object $upgrader Who wants it.
	 * @param array  $extra    What it is for.
	 * @return mixed A file, an error, or $reply where this is none of the nodes' plugins.
	 */
	public static function download( $reply, $package, $upgrader, $extra = array() ) {
		self::$coming = null;
		if ( false !== $reply ) {
			return $reply;
		}
		$node   = self::node_of( $package );
		$update = isset( $extra['plugin'] ) ? dirname( $extra['plugin'] ) : null;
		if ( null === $node ) {
			if ( null === $update || ! isset( self::PLUGINS[ $update ] ) ) {
				return $reply;
			}
			return new WP_Error( 'pfn_site_elsewhere', __( 'This plugin is listed to come from a node, and this update does not.', 'pfn-site' ) );
		}
		$path = substr( $package, strlen( $node ) );
		if ( ! preg_match( '#^/dl/[^/]+/([^/]+)/\1\.([^/]+)\.zip$#', $path, $match ) ) {
			return new WP_Error( 'pfn_site_unknown', __( 'This is not the address of a plugin on the node.', 'pfn-site' ) );
		}
		$slug    = $match[1];
		$version = rawurldecode( $match[2] );
		if ( ! self::is_package( $package, $slug, $version ) || ( null !== $update && $update !== $slug ) ) {
			return new WP_Error( 'pfn_site_unlisted', __( 'This plugin is not listed to come from the node, or not from this author.', 'pfn-site' ) );
		}
		$upgrader->skin->feedback( 'downloading_package', $package );
		self::$coming = array( $slug, $version );
		foreach ( self::in_order( $node ) as $one ) {
			$file = download_url( $one . $path, 300, true );
			if ( ! is_wp_error( $file ) ) {
				return $file;
			}
			if ( 0 === strpos( (string) $file->get_error_code(), 'signature_' ) ) {
				break;
			}
			self::leave_alone( $one );
		}
		self::$coming = null;
		return new WP_Error( 'download_failed', $upgrader->strings['download_failed'], $file->get_error_message() );
	}

	/**
	 * Refuses a zip that is signed, but is another plugin or another version than it should be.
	 *
	 * @param mixed $source The folder that was unpacked, or an error.
	 * @return mixed
	 */
	public static function check_content( $source ) {
		$coming       = self::$coming;
		self::$coming = null;
		if ( null === $coming || is_wp_error( $source ) ) {
			return $source;
		}
		list( $slug, $version ) = $coming;
		if ( basename( $source ) === $slug ) {
			foreach ( (array) glob( trailingslashit( $source ) . '*.php' ) as $file ) {
				$header = get_plugin_data( $file, false, false );
				if ( '' !== $header['Name'] && $version === $header['Version'] ) {
					return $source;
				}
			}
		}
		return new WP_Error( 'pfn_site_other', __( 'The node sent another plugin, or another version, than it said.', 'pfn-site' ) );
	}

	/**
	 * Has core check signatures of what comes from the nodes.
	 *
	 * @param array $hosts Hosts.
	 * @return array
	 */
	public static function add_hosts( $hosts ) {
		foreach ( self::NODES as $node ) {
			$hosts[] = wp_parse_url( $node, PHP_URL_HOST );
		}
		return $hosts;
	}

	/**
	 * Lets a listed plugin be signed with its author's keys and no others.
	 *
	 * @param array $keys The keys core believes.
	 * @return array
	 */
	public static function choose_keys( $keys ) {
		return null === self::$coming ? $keys : self::PLUGINS[ self::$coming[0] ]['keys'];
	}

	/**
	 * Refuses what is not signed, where core would only say so.
	 *
	 * @param bool   $softfail Whether it is installed nevertheless.
	 * @param string $url      Where it came from.
	 * @return bool
	 */
	public static function refuse_unsigned( $softfail, $url ) {
		return null === self::node_of( $url ) ? $softfail : false;
	}

	/**
	 * Lets the nodes be in a private network, if they are.
	 *
	 * @param bool   $external Whether the host may be asked.
	 * @param string $host     The host.
	 * @param string $url      The address.
	 * @return bool
	 */
	public static function allow_host( $external, $host, $url ) {
		return $external || null !== self::node_of( $url );
	}

	/**
	 * Lets the nodes listen on an unusual port, if they do.
	 *
	 * @param array  $ports The ports that may be asked.
	 * @param string $host  The host.
	 * @param string $url   The address.
	 * @return array
	 */
	public static function allow_port( $ports, $host = '', $url = '' ) {
		$node = self::node_of( $url );
		$port = null === $node ? null : wp_parse_url( $node, PHP_URL_PORT );
		return $port ? array_merge( $ports, array( $port ) ) : $ports;
	}

	/**
	 * Waits no longer for a connection to a node than for its answer.
	 *
	 * @param string $url     The address.
	 * @param array  $headers Headers.
	 * @param mixed  $data    The body.
	 * @param string $type    The method.
	 * @param array  $options Options of the request.
	 */
	public static function hurry( &$url, &$headers, &$data, &$type, &$options ) {
		if ( null !== self::node_of( $url ) ) {
			$options['connect_timeout'] = self::PATIENCE;
		}
	}

	/**
	 * Shows beside a listed plugin where its updates come from and how well they are vouched for. Asks nobody.
	 *
	 * @param array  $meta What is shown.
	 * @param string $file The plugin's main file.
	 * @return array
	 */
	public static function describe( $meta, $file ) {
		if ( ! self::is_listed( $file ) ) {
			return $meta;
		}
		$slug   = dirname( $file );
		$pinned = self::PLUGINS[ $slug ];
		/* translators: %s: An author on a publishing host, as in alice@plugins.example.com. */
		$meta[] = esc_html( sprintf( __( 'Updates from %s', 'pfn-site' ), $pinned['source'] ) );
		$facts  = self::facts( false );
		if ( ! isset( $facts[ $slug ] ) ) {
			return $meta;
		}
		$fact   = $facts[ $slug ];
		$levels = array(
			/* translators: %s: A version. */
			'artifact' => __( 'Version %s on the node: every byte signed by its author', 'pfn-site' ),
			/* translators: %s: A version. */
			'metadata' => __( 'Version %s on the node: only its name and version signed', 'pfn-site' ),
			/* translators: %s: A version. */
			'none'     => __( 'Version %s on the node: not signed', 'pfn-site' ),
		);
		if ( isset( $fact['level'], $fact['card']['version'] ) && is_string( $fact['level'] ) && is_string( $fact['card']['version'] ) && isset( $levels[ $fact['level'] ] ) ) {
			$meta[] = esc_html( sprintf( $levels[ $fact['level'] ], $fact['card']['version'] ) );
		}
		if ( isset( $fact['trust'] ) && is_numeric( $fact['trust'] ) ) {
			/* translators: %s: A number from 0 to 100. */
			$meta[] = esc_html( sprintf( __( 'Trust in its author: %s of 100', 'pfn-site' ), number_format_i18n( 100 * $fact['trust'] ) ) );
		}
		if ( isset( $fact['keys'] ) && array_diff( (array) $fact['keys'], $pinned['keys'] ) ) {
			$meta[] = esc_html__( 'Its author has new keys: fetch pfn-site.php again, and compare', 'pfn-site' );
		}
		return $meta;
	}

	/**
	 * Gives what the nodes said last about the listed plugins.
	 *
	 * @param bool $ask Whether to ask where nothing is known.
	 * @return array By slug.
	 */
	private static function facts( $ask ) {
		$facts = get_site_transient( self::FACTS );
		if ( ! is_array( $facts ) && $ask ) {
			$facts = self::fetch_facts();
		}
		return is_array( $facts ) ? $facts : array();
	}

	/**
	 * Asks a node about the listed plugins and keeps what it says of those whose author is the listed one.
	 *
	 * @return array|null
	 */
	private static function fetch_facts() {
		$answer = self::ask( '/wordpress/pfn-site.json?plugins=' . implode( ',', array_keys( self::PLUGINS ) ), array() );
		if ( ! isset( $answer['plugins'] ) || ! is_array( $answer['plugins'] ) ) {
			return null;
		}
		$facts = array();
		foreach ( self::PLUGINS as $slug => $pinned ) {
			$fact = isset( $answer['plugins'][ $slug ] ) ? $answer['plugins'][ $slug ] : null;
			if ( isset( $fact['source'], $fact['card'] ) && $fact['source'] === $pinned['source'] && is_array( $fact['card'] ) ) {
				$fact['card']['slug'] = (string) $slug;
				$facts[ $slug ]       = $fact;
			}
		}
		set_site_transient( self::FACTS, $facts, WEEK_IN_SECONDS );
		return $facts;
	}

	/**
	 * Asks the nodes in turn, until one answers.
	 *
	 * @param string $path Path and query.
	 * @param array  $args The request.
	 * @return array|null The answer's JSON; null where none answered.
	 */
	private static function ask( $path, $args ) {
		foreach ( self::NODES as $node ) {
			if ( get_site_transient( self::mark( $node ) ) ) {
				continue;
			}
			$args['timeout'] = self::PATIENCE;
			$response        = wp_remote_request( $node . $path, $args );
			$answer          = is_wp_error( $response ) ? null : json_decode( wp_remote_retrieve_body( $response ), true );
			$code            = wp_remote_retrieve_response_code( $response );
			if ( is_array( $answer ) && ( 200 === $code || ( isset( $answer['error'] ) && $code < 500 ) ) ) {
				return $answer;
			}
			self::leave_alone( $node );
		}
		return null;
	}

	/**
	 * Remembers that a node did not answer.
	 *
	 * @param string $node Its address.
	 */
	private static function leave_alone( $node ) {
		set_site_transient( self::mark( $node ), 1, self::REST );
	}

	/**
	 * Gives the nodes in the order in which to try a download: this one, the others, those that did not answer.
	 *
	 * @param string $node The one that was named.
	 * @return array
	 */
	private static function in_order( $node ) {
		$all  = array_unique( array_merge( array( $node ), self::NODES ) );
		$last = array();
		foreach ( $all as $index => $one ) {
			if ( get_site_transient( self::mark( $one ) ) ) {
				$last[] = $one;
				unset( $all[ $index ] );
			}
		}
		return array_merge( $all, $last );
	}

	/**
	 * Names the note that a node did not answer.
	 *
	 * @param string $node Its address.
	 * @return string
	 */
	private static function mark( $node ) {
		return 'pfn_site_down_' . md5( $node );
	}

	/**
	 * Tells whether a plugin is listed.
	 *
	 * @param string $file Its main file, with its folder.
	 * @return bool
	 */
	public static function is_listed( $file ) {
		return isset( self::PLUGINS[ dirname( $file ) ] );
	}

	/**
	 * Tells which node an address belongs to.
	 *
	 * @param mixed $url The address.
	 * @return string|null
	 */
	private static function node_of( $url ) {
		foreach ( self::NODES as $node ) {
			if ( is_string( $url ) && 0 === strpos( $url, $node . '/' ) ) {
				return $node;
			}
		}
		return null;
	}

	/**
	 * Tells whether an address is that of the zip of a listed plugin's version, at one of the nodes.
	 *
	 * @param mixed  $url     The address.
	 * @param string $slug    The plugin.
	 * @param mixed  $version Its version.
	 * @return bool
	 */
	private static function is_package( $url, $slug, $version ) {
		$node = self::node_of( $url );
		if ( null === $node || ! isset( self::PLUGINS[ $slug ] ) || ! is_string( $version ) ) {
			return false;
		}
		$source = str_replace( array( '%40', '%3A' ), array( '@', ':' ), rawurlencode( self::PLUGINS[ $slug ]['source'] ) );
		return $node . '/dl/' . $source . '/' . $slug . '/' . $slug . '.' . rawurlencode( $version ) . '.zip' === $url;
	}
}

Pfn_Site::start();
