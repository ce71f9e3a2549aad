/** Paying step by step: every tender is a row of the node's, made before any money moves. */
import { call, enc } from './client.ts';
import type { Approval } from './day.ts';
import type { Page } from './types.ts';

export type TenderState =
  | 'created' | 'requested' | 'captured' | 'stored' | 'unconfirmed' | 'unknown' | 'declined' | 'voided' | 'confirmed'
  | 'missing' | 'expired';

export interface TenderRow {
  id: string;
  kind: string;
  amount: number;
  state: TenderState;
  reference: string | null;
  code: string | null;
  foreign: { currency: string; amount: number; rate: number } | null;
  /** The text of a VietQR code, while the customer still has to pay. */
  qr: string | null;
  /** What the terminal said. */
  said: string | null;
}

export interface PaymentState {
  cart: string;
  state: 'open' | 'tendering' | 'paid';
  total: number;
  /** Still to pay; below zero it is change. */
  rest: number;
  cash_due: number;
  tenders: TenderRow[];
  sale_id: string | null;
}

export interface NewTender {
  /** The idempotency key: the same id never takes money twice. */
  id: string;
  kind: string;
  amount: number;
  till: string;
  currency?: string;
  code?: string;
  reference?: string;
  expected_total?: number;
  /** Of goods that may be sold beyond what is promised here where somebody allows it. */
  approval?: Approval | undefined;
}

/** A terminal and its customer take their time; the node gives up before. */
const TERMINAL_MS_MAX = 130_000;

const rows = (cart: string) => `/v1/carts/${enc(cart)}/tenders`;
const row = (cart: string, id: string) => `${rows(cart)}/${enc(id)}`;

export const tenders = {
  of: (cart: string) => call<PaymentState>('GET', rows(cart)),
  take: (cart: string, tender: NewTender) => call<PaymentState>('POST', rows(cart), tender, TERMINAL_MS_MAX),
  inquire: (cart: string, id: string) => call<PaymentState>('POST', `${row(cart, id)}/inquire`, {}, TERMINAL_MS_MAX),
  seen: (cart: string, id: string) => call<PaymentState>('POST', `${row(cart, id)}/seen`, {}),
  undo: (cart: string, id: string) => call<PaymentState>('POST', `${row(cart, id)}/undo`, {}, TERMINAL_MS_MAX),
  terminal: (till: string) => call<{ kind: string; online: boolean }>('GET', `/v1/terminals/${enc(till)}`),
  waiting: (state: TenderState) => call<Page<TenderRow>>('GET', `/v1/tenders?state=${state}`),
};

/** Money that is there, or is promised so that the sale may be finished. */
export const isTaken = (state: TenderState): boolean =>
  state === 'captured' || state === 'stored' || state === 'unconfirmed' || state === 'confirmed';

/** Nobody knows yet whether the money came: the sale waits. */
export const isOpen = (state: TenderState): boolean => state === 'created' || state === 'requested' || state === 'unknown';
