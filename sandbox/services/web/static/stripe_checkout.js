"use strict";

// Stripe's Payment Element: https://docs.stripe.com/payments/accept-a-payment?platform=web&ui=elements

const { order, key } = document.querySelector("#checkout").dataset;
const done = `/orders/${order}`;
const message = document.querySelector("#message");
const pay = document.querySelector("#pay");

function complain(text) {
  message.textContent = text;
  message.hidden = !text;
}

async function start() {
  const answer = await fetch(`${done}/payment`, { method: "POST" });
  const opened = await answer.json();
  if (!answer.ok) return complain(opened.message);
  if (!opened.client_secret) return location.assign(done);
  const stripe = Stripe(key);
  const elements = stripe.elements({ clientSecret: opened.client_secret });
  elements.create("payment").mount("#element");
  document.querySelector("#card").addEventListener("submit", async (event) => {
    event.preventDefault();
    complain("");
    pay.disabled = true;
    const { error } = await stripe.confirmPayment({ elements, confirmParams: { return_url: new URL(done, location).href } });
    pay.disabled = false;
    if (error) complain(error.message);
  });
  pay.disabled = false;
}

start();
