<?php
// Send to one number and to two, in each form that the gateway's documentation shows.

foreach ([
    '+12125551234',
    '+12125551234,+13235554567',
    ['+12125551234', '+13235554567'],
] as $phone) {
    $curl = curl_init(getenv('CUSTOMERSMS_ENDPOINT'));
    curl_setopt_array($curl, [
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_POST => true,
        CURLOPT_POSTFIELDS => json_encode([
            'api_key' => getenv('CUSTOMERSMS_API_KEY'),
            'phone' => $phone,
            'message' => 'Your code is 4711',
        ]),
        CURLOPT_HTTPHEADER => ['Content-Type: application/json'],
    ]);
    $answer = curl_exec($curl);
    echo curl_getinfo($curl, CURLINFO_HTTP_CODE), ' ', $answer, "\n";
}
