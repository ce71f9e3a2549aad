/** What the node says and takes around the till: stock, counts, goods that come and go, customers, old receipts. */
import { call, enc, text } from './client.ts';
import type { Unit } from '../core/units.ts';
import type { Approval } from './day.ts';
import type { Discount, NewLine, Page, Sale, Tender } from './types.ts';

export interface Stock {
  sku: string;
  name: string;
  unit: Unit | null;
  on_hand: number;
  rights: number;
  overdraw: number;
  available: number;
  reserved: number;
  suspended: number;
  store_overdraw: number;
  shrink: number;
  surplus: number;
  exposure: number;
  incoming: number;
  count: { at: string; recount: boolean } | null;
}

export interface Count {
  id: string;
  sku: string;
  state: 'counting' | 'counted';
  began: string | null;
  n: number | null;
  variance: number | null;
  burnt: number | null;
  latest: boolean;
  recount: boolean;
}

export interface ShipmentLine {
  sku: string;
  expected: number;
  received: number;
  difference: number;
}

export interface Delivery {
  id: string;
  reference: string;
  state: 'expected' | 'received' | 'not_delivered';
  custodian: string | null;
  held_here: boolean;
  lines: ShipmentLine[];
}

export interface Transfer {
  id: string;
  direction: 'outgoing' | 'incoming';
  store: string;
  state: 'in_transit' | 'received';
  custodian: string | null;
  held_here: boolean;
  lines: ShipmentLine[];
}

export interface Reservation {
  id: string;
  order: string;
  reference: string;
  sku: string;
  name: string;
  units: number;
  prepaid: number | null;
  expires: string;
  state: 'open' | 'fulfilled' | 'cancelled' | 'expired';
  sale: string | null;
  held_here: boolean;
  exposed: number;
}

export interface Customer {
  id: string;
  erased: boolean;
  name: string | null;
  phone: string | null;
  email: string | null;
  address: string | null;
  price_list: string;
}

export interface Units {
  sku: string;
  units: number;
}

export interface RefundLine {
  /** Of the sale; `sku` instead, where there is no receipt. */
  line?: number;
  sku?: string;
  quantity_milli: number;
  condition: 'resell' | 'waste';
  serials?: string[];
}

export type PayOut = 'original' | 'cash' | 'card';

export interface RefundRequest {
  till: string;
  sale_id?: string;
  reason: string;
  lines: RefundLine[];
  tender: PayOut;
  approval?: Approval | undefined;
}

/** What of a sale may still come back, and how it was paid. */
/** Goods that come back, and goods that go out for them. */
export interface ExchangeRequest {
  till: string;
  refund: { sale_id: string; reason: string; lines: RefundLine[] };
  sale: { lines: NewLine[]; discounts: Discount[]; customer?: string };
  /** What the customer pays, where what goes out is worth more. */
  tenders: Tender[];
  /** How the rest is paid out, where what comes back is worth more. */
  tender: PayOut;
  expected_total: number;
  approval?: Approval | undefined;
}

export interface Quote {
  sale: Sale;
  left: { line: number; quantity_milli: number }[];
  right: 'held' | 'elsewhere';
  paid: { index: number; kind: string; amount: number; left: number; state: string }[];
  same_shift: boolean;
}

export interface SaleQuery {
  receipt?: string;
  day?: string;
  cursor?: string;
}

const PAGE = 50;

const query = (of: SaleQuery) =>
  Object.entries(of).map(([name, value]) => (value ? `&${name}=${enc(value)}` : '')).join('');

export const store = {
  stock: (sku: string) => call<Stock>('GET', `/v1/stock/${enc(sku)}`),
  adjust: (id: string, change: { sku: string; units: number; reason: string }) =>
    call<unknown>('PUT', `/v1/adjustments/${enc(id)}`, change),

  counts: async () => (await call<{ data: Count[] }>('GET', '/v1/counts')).data,
  beginCount: (id: string, sku: string) => call<Count>('POST', '/v1/counts', { id, sku }),
  finishCount: (id: string, n: number) => call<Count>('POST', `/v1/counts/${enc(id)}/finish`, { n }),
  dropCount: (id: string) => call<unknown>('DELETE', `/v1/counts/${enc(id)}`),

  deliveries: async () => (await call<Page<Delivery>>('GET', `/v1/deliveries?limit=${PAGE}`)).data,
  receive: (id: string, what: { reference: string; lines: Units[]; not_delivered?: boolean }) =>
    call<unknown>('PUT', `/v1/deliveries/${enc(id)}`, what),

  transfers: async () => (await call<Page<Transfer>>('GET', `/v1/transfers?limit=${PAGE}`)).data,
  ship: (what: { id: string; to_store: string; lines: Units[]; approver?: string }) =>
    call<Transfer>('POST', '/v1/transfers', what),
  receiveTransfer: (transfer: string, what: { id: string; lines: Units[]; confirmed: boolean }) =>
    call<Transfer>('POST', `/v1/transfers/${enc(transfer)}/receive`, what),

  reservations: async () => (await call<Page<Reservation>>('GET', `/v1/reservations?limit=${PAGE}`)).data,
  handOut: (id: string) => call<Reservation>('POST', `/v1/reservations/${enc(id)}/fulfil`, {}),

  sales: (of: SaleQuery) => call<Page<Sale>>('GET', `/v1/sales?limit=${PAGE}${query(of)}`),
  sale: (id: string) => call<Sale>('GET', `/v1/sales/${enc(id)}`),
  /** What is left of a sale. */
  quote: (sale: string) => call<Quote>('GET', `/v1/refund-quote?sale_id=${enc(sale)}`),
  /** The same by what the customer shows: the number as it is printed, or the receipt's code. */
  quoteShown: (receipt: string) => call<Quote>('GET', `/v1/refund-quote?receipt=${enc(receipt)}`),
  voidSale: (id: string, what: { till: string; sale_id: string; reason: string; approval?: Approval | undefined }) =>
    call<Sale>('PUT', `/v1/voids/${enc(id)}`, what),
  exchange: (id: string, what: ExchangeRequest) => call<{ refund: Sale; sale: Sale }>('PUT', `/v1/exchanges/${enc(id)}`, what),
  refund: (id: string, what: RefundRequest) => call<Sale>('PUT', `/v1/refunds/${enc(id)}`, what),

  customers: (q: string) => call<Page<Customer>>('GET', `/v1/customers?q=${enc(q)}&limit=20`),
  customer: (id: string) => call<Customer>('GET', `/v1/customers/${enc(id)}`),
  putCustomer: (id: string, what: { name: string; phone?: string; email?: string; address?: string }) =>
    call<Customer>('PUT', `/v1/customers/${enc(id)}`, what),

  enrol: (code: string) => call<unknown>('POST', '/v1/enrolment', { code }),
  ready: () => text('/readyz?verbose=true'),
};
