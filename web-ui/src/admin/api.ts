/** What the hub says and takes, as the console needs it. */
import { call, credentials, enc, text } from '../api/client.ts';

export interface Store { code: string; name: string; created_at: string }
export interface Place { epoch: number; version: number }
export interface Node {
  incarnation: string;
  store: string;
  name: string;
  program: string;
  state: 'live' | 'fenced' | 'retired' | 'quarantined';
  last_contact: string | null;
  acked_seq: number;
  catalog: Place;
}
export interface Rollout {
  version: Place;
  stores: { store: string; delivered: Place | null; behind: number; last_contact: string | null }[];
  delivered: number;
  of: number;
  oldest_waiting_ms: number | null;
}
export interface Z {
  store: string;
  till: string;
  z: number;
  business_day: string;
  closed_at: string;
  currency: string;
  sales_count: number;
  refunds_count: number;
  sales: number;
  refunds: number;
  net: number;
  tax: number;
  rounding: number;
  difference: number;
  open_tenders: number;
  approver: string | null;
  recovered: boolean;
  continuity_broken: boolean;
  agrees: boolean;
  tenders: { kind: string; amount: number; count: number; unsettled: number }[];
  drawers: { currency: string; expected: number; counted: number; difference: number }[];
}
export interface Stored {
  tender: string;
  store: string;
  till: string;
  receipt: string;
  kind: string;
  amount: number;
  business_day: string;
  committed_at: string;
}
export interface Finding {
  id: number;
  kind: string;
  store: string;
  ref: string;
  detail: string;
  at: string;
  resolved_at: string | null;
  note: string | null;
}
export interface Item {
  store: string;
  sku: string;
  on_hand: number;
  available: number;
  overdraw: number;
  suspended: number;
  reserved: number;
  exposure: number;
  exposed: { reservation: string; units: number }[];
  incoming: number;
}
export interface Aside {
  store: string;
  incarnation: string;
  node: string;
  seq: number;
  reason: string;
  branch: boolean;
  grants_frozen: boolean;
  at: string;
}
export interface Order {
  id: string;
  kind: 'sale' | 'refund';
  store: string;
  receipt: { number: string; till: string };
  committed_at: string;
  received_at: string;
  currency: string;
  total: number;
  tax: number;
  net: number;
  rounding: number;
  change: number;
  duplicate: boolean;
  lines: { line: number; sku: string; name: string; quantity_milli: number; amount: number; refunded_milli: number }[];
  tenders: { kind: string; amount: number; state: string }[];
  event: { incarnation: string; seq: number };
}
export interface Lost {
  incarnation: string;
  name: string;
  state: string;
  wait_over: boolean;
  wait_until: string | null;
  recovered: boolean;
  held_seq: number;
  cap_seq: number | null;
}
/** What a barrier decided, by item. */
export interface Outcome {
  resolved: { incarnation: string; sku: string; minted: number }[];
  minted: { sku: string; units: number }[];
  refused: { sku: string; code: string; detail: string }[];
}
export interface Recovery {
  store: string;
  lost: Lost[];
  items: { sku: string; suspended: number; overdraw: number; would_mint: number; would_resolve: boolean; code: string | null; detail: string | null }[];
  objects: { kind: string; id: string; reference: string; name: string; wait_over: boolean; wait_until: string | null }[];
  barrier: {
    id: string;
    purpose: string;
    state: 'asking' | 'proposed' | 'levelling';
    opened_at: string;
    members: { incarnation: string; name: string; answered: boolean; stored: boolean; in_session: boolean }[];
    missing: { incarnation: string; needed_seq: number; held_seq: number }[];
  } | null;
  last_barrier: (Outcome & { id: string; state: string; ended_at: string | null }) | null;
}
/** A group of consumers and how it stands. */
export interface Group {
  name: string;
  topics: string[];
  had: number;
  behind: number;
  rebuilding: boolean;
  parked: number;
  dead: number;
}
/** A record that a group could not take. */
export interface Letter {
  id: string;
  state: 'parked' | 'dead';
  type: string;
  topic: string;
  key: string;
  subject: string;
  reason: string;
  tries: number;
  parked_at: string;
  next_at: string;
  data: string;
}
/** What somebody changed, and with what. */
export interface Entry { no: number; at: number; actor: string; call: string; body: string; trace_id: string; hash: string }
export interface Verdict { whole: boolean; good: number; first_bad: number | null; hash: string }
export interface SalesDay { day: string; currency: string; sales: number; refunds: number; net: number; tax: number; total: number }
export interface SoldItem { hour: number; sku: string; units: number; net: number; tax: number }
export interface ClosedDay { day: string; closed_at: string; seq: number }
/** Debits less credits, in minor units. */
export interface Balance { day: string; account: string; currency: string; amount: number }
/** Who is told of events over HTTP. */
export interface Webhook {
  id: string;
  url: string;
  types: string[];
  created_at: string;
  /** Told once, when it is made. */
  secret?: string;
  messages: { state: string; count: number }[];
}
/** How far a hub is whose database was put back. */
export interface HubRecovery {
  recovering: boolean;
  stores: {
    store: string;
    state: 'recovering' | 'over';
    /** What it waits for and what to do about it: the hub's own sentences. */
    next: string[];
    begun_at: string;
    ended_at: string | null;
    journal_whole: boolean;
    attested: string | null;
    old_log_held: number;
    old_log_needed: number;
    nodes: { incarnation: string; name: string; state: string; heard: boolean; in_session: boolean; lease_until: string | null }[];
  }[];
}
export interface Page<Row> { data: Row[]; next_cursor: string | null; has_more: boolean }

/** How long a walk over a whole trail or journal may take. */
const WALK_MS_MAX = 120_000;
/** Rows of a page. */
export const PAGE = 100;

const query = (of: Record<string, string | boolean | number | undefined>) =>
  Object.entries(of).filter(([, value]) => value !== undefined && value !== '' && value !== false).map(([name, value]) => `${name}=${enc(String(value))}`).join('&');

const store = (code: string) => `/v1/stores/${enc(code)}`;

export const hub = {
  stores: async () => (await call<{ data: Store[] }>('GET', '/v1/stores')).data,
  nodes: async () => (await call<{ data: Node[] }>('GET', '/v1/nodes')).data,
  currency: async (code: string) => (await call<{ currency?: string }>('GET', `${store(code)}/settings`)).currency ?? 'EUR',
  rollout: () => call<Rollout>('GET', '/v1/catalog/rollout'),
  zs: (of: { store?: string; differences?: boolean; cursor?: string }) => call<Page<Z>>('GET', `/v1/z-reports?${query({ limit: PAGE, ...of })}`),
  stored: (of: { store?: string; cursor?: string }) => call<Page<Stored> & { count: number; sum: number }>('GET', `/v1/stored-tenders?${query({ limit: PAGE, ...of })}`),
  review: (of: { all?: boolean; cursor?: string }) => call<Page<Finding>>('GET', `/v1/review?${query({ limit: PAGE, ...of })}`),
  resolve: (id: number, note: string) => call<unknown>('POST', `/v1/review/${id}/resolve`, { note }),
  stock: (of: { store?: string; cursor?: string }) => call<Page<Item>>('GET', `/v1/stock?${query({ limit: 500, ...of })}`),
  aside: async () => (await call<{ data: Aside[] }>('GET', '/v1/quarantine')).data,
  settle: (one: Aside, note: string) => call<unknown>('POST', `/v1/quarantine/${enc(one.incarnation)}/${one.seq}/settle`, { note }),
  orders: (of: { store?: string; cursor?: string }) => call<Page<Order>>('GET', `/v1/orders?${query({ limit: PAGE, ...of })}`),
  recovery: (code: string) => call<Recovery>('GET', `${store(code)}/recovery`),
  fence: (code: string, incarnation: string, what: { successor?: string; attested?: string }) =>
    call<Recovery>('POST', `${store(code)}/nodes/${enc(incarnation)}/fence`, what),
  openBarrier: (code: string, id: string, purpose: 'resolve' | 'mint') => call<Recovery>('POST', `${store(code)}/barriers`, { id, purpose }),
  dropBarrier: (code: string, id: string) => call<unknown>('DELETE', `${store(code)}/barriers/${enc(id)}`),
  takeOver: (code: string, kind: string, id: string) => call<unknown>('POST', `${store(code)}/takeovers`, { kind, id }),
  consumers: () => call<Group[]>('GET', '/v1/consumers'),
  letters: (group: string, of: { cursor?: string }) => call<Page<Letter>>('GET', `/v1/consumers/${enc(group)}/letters?${query({ limit: PAGE, ...of })}`),
  decide: (group: string, id: string, decision: 'replay' | 'discard') => call<unknown>('POST', `/v1/consumers/${enc(group)}/letters/${enc(id)}`, { decision }),
  audit: (of: { q?: string; cursor?: string }) => call<Page<Entry>>('GET', `/v1/audit?${query({ limit: PAGE, ...of })}`),
  verdict: () => call<Verdict>('GET', '/v1/audit/verdict', undefined, WALK_MS_MAX),
  sales: (of: { store: string; from: string; to: string }) => call<SalesDay[]>('GET', `/v1/reports/sales?${query(of)}`),
  sold: (of: { store: string; day: string }) => call<SoldItem[]>('GET', `/v1/reports/items?${query(of)}`),
  balances: (of: { store: string; from: string; to: string }) => call<Balance[]>('GET', `/v1/journal/balances?${query(of)}`),
  journal: (of: { store: string; from: string; to: string }) => text(`/v1/journal.csv?${query(of)}`, WALK_MS_MAX),
  days: (code: string) => call<ClosedDay[]>('GET', `${store(code)}/days`),
  closeDay: (code: string, day: string) => call<ClosedDay>('PUT', `${store(code)}/days/${enc(day)}`),
  webhooks: () => call<Webhook[]>('GET', '/v1/webhooks'),
  addWebhook: (url: string, types: string[]) => call<Webhook>('POST', '/v1/webhooks', { url, types }),
  removeWebhook: (id: string) => call<unknown>('DELETE', `/v1/webhooks/${enc(id)}`),
  restored: () => call<HubRecovery>('GET', '/v1/hub/recovery'),
  attest: (attested: string, fence_absent: boolean) => call<HubRecovery>('POST', '/v1/hub/recovery/attestation', { attested, fence_absent }),
  rebuild: (group: string) => call<unknown>('POST', `/v1/consumers/${enc(group)}/replay`),
};

const KEPT = 'tradepost.console';

/** The token lives as long as the window; nothing else is kept. */
export const token = {
  restore(): void {
    try {
      credentials.token = sessionStorage.getItem(KEPT);
    } catch {
      credentials.token = null;
    }
  },
  set(to: string | null): void {
    credentials.token = to;
    try {
      if (to) sessionStorage.setItem(KEPT, to);
      else sessionStorage.removeItem(KEPT);
    } catch {
      // The token is then asked for again.
    }
  },
};
