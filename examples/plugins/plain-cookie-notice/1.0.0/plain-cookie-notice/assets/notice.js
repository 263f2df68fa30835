/* Shows the notice until it is dismissed in this browser. */
( function () {
	'use strict';

	var notice = document.getElementById( 'plain-cookie-notice' );
	var key = 'plain-cookie-notice';

	function read() {
		try {
			return window.localStorage.getItem( key );
		} catch ( error ) {
			return null; // Storage may be switched off: the notice is then shown on every page.
		}
	}

	function remember() {
		try {
			window.localStorage.setItem( key, 'dismissed' );
		} catch ( error ) {
			// See read().
		}
	}

	if ( ! notice || read() ) {
		return;
	}
	notice.hidden = false;
	notice.querySelector( 'button' ).addEventListener( 'click', function () {
		notice.hidden = true;
		remember();
	} );
}() );
