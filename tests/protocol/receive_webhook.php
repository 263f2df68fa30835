<?php
// Receive a webhook message: the secret (whsec_…) checks v1 signatures, the public key (whpk_…) v1a ones.

function receive_webhook(string $key, array $headers, string $body): array
{
    $id = $headers['webhook-id'];
    $time = $headers['webhook-timestamp'];
    if (!ctype_digit($time) || abs(time() - (int) $time) > 300) {
        throw new Exception('The message is too old, or too new.');
    }
    $signed = "$id.$time.$body";
    $raw = base64_decode(substr($key, strpos($key, '_') + 1), true);
    foreach (explode(' ', $headers['webhook-signature']) as $signature) {
        [$version, $text] = explode(',', $signature, 2);
        if (str_starts_with($key, 'whsec_')) {
            $expected = base64_encode(hash_hmac('sha256', $signed, $raw, true));
            $good = $version === 'v1' && hash_equals($expected, $text);
        } else {
            $good = $version === 'v1a'
                && sodium_crypto_sign_verify_detached(base64_decode($text, true), $signed, $raw);
        }
        if ($good) {
            return json_decode($body, true, 64, JSON_THROW_ON_ERROR);
        }
    }
    throw new Exception('No signature is good.');
}

$given = json_decode(stream_get_contents(STDIN), true, 64, JSON_THROW_ON_ERROR);
try {
    echo receive_webhook($given['key'], $given['headers'], $given['body'])['type'];
} catch (Exception $error) {
    echo $error->getMessage();
}
