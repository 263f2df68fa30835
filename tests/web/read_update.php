<?php
// Reads a document from standard input as an updater does and writes what it makes of it, or fails with the reason.
error_reporting(E_ALL);
set_error_handler(function ($number, $message, $file, $line) {
	throw new ErrorException($message, 0, $number, $file, $line);
});
$body = stream_get_contents(STDIN);
$out = array();
switch ($argv[1]) {
	case 'plugin-update-checker':
		$api = json_decode($body);
		if (empty($api) || !is_object($api)) {
			throw new Exception('It is no object.');
		}
		foreach (array('name', 'version') as $required) {
			if (!isset($api->$required) || $api->$required === '') {
				throw new Exception("There is no $required.");
			}
		}
		// What it takes for maps it takes from objects; a list would lose its keys.
		foreach (array('sections', 'icons', 'banners') as $map) {
			if (!is_object($api->$map)) {
				throw new Exception("$map is no map.");
			}
			$out[$map] = get_object_vars($api->$map);
		}
		$texts = array('download_url', 'homepage', 'author', 'author_homepage', 'requires', 'tested', 'requires_php',
			'upgrade_notice', 'last_updated', 'slug');
		foreach ($texts as $text) {
			if (!is_string($api->$text)) {
				throw new Exception("$text is no text.");
			}
		}
		foreach (array('rating', 'num_ratings', 'downloaded', 'active_installs') as $number) {
			if (!is_int($api->$number)) {
				throw new Exception("$number is no number.");
			}
		}
		if (strtotime($api->last_updated) === false) {
			throw new Exception('last_updated is no time.');
		}
		$out['newer'] = version_compare($api->version, $argv[2], '>');
		$out['name'] = $api->name;
		$out['download_url'] = $api->download_url;
		break;
	case 'update-uri':
		// What core does with the answer of update_plugins_{host}.
		$update = (object) json_decode($body, true);
		if (!isset($update->new_version)) {
			$update->new_version = $update->version;
		}
		if (isset($update->autoupdate)) {
			throw new Exception('It switches on automatic updates.');
		}
		foreach (array('icons', 'banners', 'banners_rtl', 'translations') as $list) {
			if (!is_array($update->$list)) {
				throw new Exception("$list is no array.");
			}
		}
		$out = array('new_version' => $update->new_version, 'slug' => $update->slug, 'package' => $update->package,
			'url' => $update->url, 'tested' => $update->tested, 'requires_php' => $update->requires_php,
			'newer' => version_compare($argv[2], $update->version, '<'));
		break;
	case 'micro-plugin-publisher':
		$data = json_decode($body);
		if (!is_array($data) || count($data) !== 1 || !is_object($data[0])) {
			throw new Exception('It is no array of one object.');
		}
		$one = $data[0];
		$out = array('version' => $one->version, 'homepage' => $one->homepage, 'slug' => $one->slug,
			'flat' => array($one->description, $one->installation, $one->changelog),
			'sections' => (array) $one->sections, 'newer' => version_compare($argv[2], $one->version, '<'));
		break;
}
echo json_encode($out, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES);
