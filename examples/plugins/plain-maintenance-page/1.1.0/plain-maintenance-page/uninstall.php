<?php
/**
 * Leaves nothing behind: deletes the plugin's options on every site of the installation.
 */

if ( ! defined( 'WP_UNINSTALL_PLUGIN' ) ) {
	exit;
}

/**
 * Deletes the options of the current site.
 */
function plain_maintenance_page_delete_options() {
	foreach ( array( 'plain_maintenance_page_on', 'plain_maintenance_page_message' ) as $option ) {
		delete_option( $option );
	}
}

if ( is_multisite() ) {
	$site_ids = get_sites(
		array(
			'fields' => 'ids',
			'number' => 0,
		)
	);
	foreach ( $site_ids as $site_id ) {
		switch_to_blog( $site_id );
		plain_maintenance_page_delete_options();
		restore_current_blog();
	}
} else {
	plain_maintenance_page_delete_options();
}
