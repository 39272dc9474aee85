// An SMSC: a real SMPP 3.4 server (npm `smpp`) on loopback, told what to do over HTTP. Ports from the environment;
// port 0 lets the kernel choose, and both are said on standard output once they listen.
import { createRequire } from "node:module";
import http from "node:http";
const smpp = createRequire(import.meta.url)("smpp");

const PASSWORD = process.env.SMPP_PASSWORD;
const log = []; // what happened, in order
const sessions = new Set(); // { session, system, mode }
const behaviours = []; // what the next submit_sm meet: a status number, "cut" or "silent"
let holding = 0; // submit_sm whose receipts wait for /receipt
let reference = 1;
let number = 1000;

const ucs2 = (text) => Buffer.from(text, "utf16le").swap16();
const receivers = (system) => [...sessions].filter((s) => s.system === system && s.mode !== "transmitter");

function receipt(message, state, id = message.id) {
  const target = receivers(message.system)[0];
  if (!target) return log.push({ event: "receipt_lost", id });
  target.session.deliver_sm(
    {
      source_addr: message.to, destination_addr: message.from, esm_class: 4,
      short_message: `id:${id} sub:001 dlvrd:001 submit date:2611231200 done date:2611231201 stat:${state} err:000 text:`,
    },
    (answer) => log.push({ event: "receipt_answer", id, status: answer.command_status }),
  );
}

const server = smpp.createServer({}, (session) => {
  const known = { session, system: null, mode: null };
  session.on("error", (error) => log.push({ event: "error", error: String(error) }));
  session.on("close", () => { sessions.delete(known); log.push({ event: "close", system: known.system, mode: known.mode }); });
  session.on("pdu", (pdu) => {
    if (/^bind_(receiver|transmitter|transceiver)$/.test(pdu.command)) {
      known.mode = pdu.command.slice(5);
      if (pdu.password !== PASSWORD) {
        log.push({ event: "refused", system: pdu.system_id });
        session.send(pdu.response({ command_status: smpp.ESME_RINVPASWD }));
        return session.close();
      }
      known.system = pdu.system_id;
      sessions.add(known);
      log.push({ event: "bound", system: known.system, mode: known.mode, version: pdu.interface_version });
      session.send(pdu.response({ system_id: "SMSC" }));
    } else if (pdu.command === "submit_sm") {
      submit(known, pdu);
    } else if (pdu.command === "query_sm") {
      query(known, pdu);
    } else if (pdu.command === "enquire_link" || pdu.command === "unbind") {
      log.push({ event: pdu.command, mode: known.mode });
      session.send(pdu.response());
      if (pdu.command === "unbind") session.close();
    } else if (!pdu.command.endsWith("_resp")) {
      session.send(pdu.response());
    }
  });
});

function submit(known, pdu) {
  const behaviour = behaviours.shift() ?? 0;
  const content = pdu.short_message;
  const message = {
    event: "submit", behaviour, system: known.system, id: String(number++), from: pdu.source_addr, to: pdu.destination_addr,
    coding: pdu.data_coding, class: pdu.esm_class, registered: pdu.registered_delivery,
    header: content.udh ? Buffer.concat(content.udh.map((part) => part)).toString("hex") : "",
    text: Buffer.isBuffer(content.message) ? content.message.toString("latin1") : content.message,
  };
  log.push(message);
  if (behaviour === "silent") return;
  if (behaviour === "cut") return known.session.destroy();
  if (behaviour) return known.session.send(pdu.response({ command_status: behaviour }));
  known.session.send(pdu.response({ message_id: message.id }));
  if (pdu.registered_delivery & 1 && !holding) setTimeout(receipt, 10, message, "DELIVRD");
}

// Answers as the submit_sm with this id and sender deserves.
function query(known, pdu) {
  const behaviour = behaviours.shift() ?? 0;
  log.push({ event: "query", id: pdu.message_id, from: pdu.source_addr, system: known.system });
  if (behaviour === "cut") return known.session.destroy();
  if (behaviour) return known.session.send(pdu.response({ command_status: behaviour }));
  const message = log.find((entry) => entry.event === "submit" && entry.id === pdu.message_id && entry.from === pdu.source_addr);
  if (!message) return known.session.send(pdu.response({ command_status: smpp.ESME_RQUERYFAIL }));
  known.session.send(pdu.response({ message_id: pdu.message_id, final_date: "", message_state: message.fate ?? 1, error_code: message.fate === 5 ? 13 : 0 }));
}

// A citizen's message: `how` is whole, udh, udh16, sar, payload or data (data_sm); `order` are positions in the order they are sent.
function deliver({ system, from, to, text, how = "whole", order = null, coding = 8, bytes = null, same = null }) {
  const target = receivers(system)[0];
  if (!target) throw new Error(`nobody is bound as ${system}`);
  const data = bytes ? Buffer.from(bytes, "hex") : coding === 8 ? ucs2(text) : Buffer.from(text, "latin1");
  const base = { source_addr: from, destination_addr: to, data_coding: coding };
  const ref = same ?? (reference = (reference + 1) & 255);
  const send = (pdu, part) =>
    target.session.deliver_sm(pdu, (answer) => log.push({ event: "answer", from, part, status: answer.command_status }));
  if (how === "data") {
    return target.session.data_sm({ ...base, message_payload: data }, (answer) => log.push({ event: "answer", from, part: 1, status: answer.command_status }));
  }
  if (how === "payload") return send({ ...base, short_message: Buffer.alloc(0), message_payload: data }, 1);
  if (how === "whole") return send({ ...base, short_message: data }, 1);
  const room = 134;
  const total = Math.ceil(data.length / room);
  for (const i of order ?? [...Array(total).keys()]) {
    const part = data.subarray(i * room, (i + 1) * room);
    if (how === "sar") send({ ...base, sar_msg_ref_num: ref, sar_total_segments: total, sar_segment_seqnum: i + 1, short_message: part }, i + 1);
    else {
      const udh = how === "udh16" ? Buffer.from([6, 8, 4, 7, ref, total, i + 1]) : Buffer.from([5, 0, 3, ref, total, i + 1]);
      send({ ...base, esm_class: 0x40, short_message: { udh, message: part } }, i + 1);
    }
  }
}

const actions = {
  "/log": () => log,
  "/deliver": deliver,
  "/behave": ({ next }) => behaviours.push(...next),
  "/fate": ({ id, state }) => { log.find((entry) => entry.event === "submit" && entry.id === id).fate = state; },
  "/hold": ({ on }) => { holding = on; },
  "/receipt": ({ id, state, written }) => receipt(log.find((entry) => entry.event === "submit" && entry.id === id), state, written),
  "/drop": () => { for (const { session } of sessions) session.destroy(); },
};
const control = http.createServer((request, response) => {
  let body = "";
  request.on("data", (piece) => { body += piece; });
  request.on("end", () => {
    try {
      response.end(JSON.stringify(actions[request.url](JSON.parse(body || "{}")) ?? null));
    } catch (error) {
      response.statusCode = 500;
      response.end(String(error));
    }
  });
});

server.listen(Number(process.env.SMPP_PORT ?? 0), "127.0.0.1", () =>
  control.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ smpp: server.address().port, control: control.address().port }))));
