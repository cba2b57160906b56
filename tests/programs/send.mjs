// Send to one number and to two, in each form that the gateway's documentation shows.

for (const phone of [
  "+12125551234",
  "+12125551234,+13235554567",
  ["+12125551234", "+13235554567"],
]) {
  const response = await fetch(process.env.CUSTOMERSMS_ENDPOINT, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      api_key: process.env.CUSTOMERSMS_API_KEY,
      phone,
      message: "Your code is 4711",
    }),
  });
  console.log(response.status, await response.text());
}
