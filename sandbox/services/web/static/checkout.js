"use strict";

// The card goes from this page to Stripe, under the publishable key and the client secret, as Stripe.js sends it.
// The shop learns of the outcome from events only; this page just shows what Stripe answers.

const checkout = document.querySelector("#checkout");
const { order, mode, stripe, key } = checkout.dataset;
const done = `/orders/${order}`;
const message = document.querySelector("#message");
const progress = document.querySelector("#progress");
const pay = document.querySelector("#pay");
const number = document.querySelector("#number");
const ASK_AGAIN_MS = 1000;

function complain(text) {
  message.textContent = text;
  message.hidden = !text;
}

async function payment() {
  progress.textContent = "Preparing the payment …";
  for (;;) {
    const answer = await fetch(`${done}/payment`, { method: "POST" }).catch(() => null);
    const body = answer ? await answer.json().catch(() => ({})) : {};
    if (answer && answer.ok) {
      progress.textContent = "";
      return body;
    }
    if (answer && answer.status !== 503) {
      progress.textContent = "";
      complain(body.message || "This order cannot be paid.");
      return null;
    }
    await new Promise((go) => setTimeout(go, ASK_AGAIN_MS));
  }
}

function cardForm(secret) {
  const [month, year] = document.querySelector("#expiry").value.split("/").map((part) => part.trim());
  return new URLSearchParams({
    "key": key,
    "client_secret": secret,
    "return_url": new URL(done, location).href,
    "payment_method_data[type]": "card",
    "payment_method_data[card][number]": number.value.replaceAll(" ", ""),
    "payment_method_data[card][exp_month]": month,
    "payment_method_data[card][exp_year]": `20${year}`,
    "payment_method_data[card][cvc]": document.querySelector("#cvc").value,
  });
}

async function confirm(secret) {
  const intent = secret.split("_secret_")[0];
  const answer = await fetch(`${stripe}/v1/payment_intents/${intent}/confirm`, { method: "POST", body: cardForm(secret) });
  const body = await answer.json();
  if (body.error && body.error.code !== "payment_intent_unexpected_state") throw new Error(body.error.message);
  const redirect = body.next_action && body.next_action.redirect_to_url;
  location.assign(redirect ? redirect.url : `${done}?redirect_status=succeeded`);
}

async function submit(event, secret) {
  event.preventDefault();
  complain("");
  pay.disabled = true;
  progress.textContent = "Paying …";
  try {
    await confirm(secret);
  } catch (error) {
    progress.textContent = "";
    pay.disabled = false;
    complain(error instanceof TypeError ? "Stripe could not be reached. Please try again." : error.message);
    number.focus();
  }
}

async function start() {
  const opened = await payment();
  if (!opened) return;
  if (!opened.client_secret) return location.assign(done);
  if (mode === "none") {
    document.querySelector("#command").textContent =
      `stripe payment_intents confirm ${opened.payment_intent} \\\n  --payment-method pm_card_visa --return-url ${new URL(done, location).href}`;
    return;
  }
  document.querySelector("#card").addEventListener("submit", (event) => submit(event, opened.client_secret));
  pay.disabled = false;
}

for (const button of document.querySelectorAll("[data-card]")) {
  button.addEventListener("click", () => {
    number.value = button.dataset.card;
    number.focus();
  });
}
start();
