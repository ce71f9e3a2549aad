/** The store day as the node keeps it: who is at the till, the shift and its drawer, papers and printers. */
import { call, enc } from './client.ts';
import type { Page } from './types.ts';

/** Who allows it, and their PIN; sent only where the node asked for it. */
export interface Approval {
  staff: string;
  pin: string;
}

export type Role = 'cashier' | 'supervisor' | 'manager';

export interface Staff {
  id: string;
  name: string;
  role: Role;
  active: boolean;
  has_pin: boolean;
  locked_until: string | null;
}

export interface TillState {
  till: string;
  signed_on: { id: string; name: string; role: Role; since: string } | null;
  /** The store has staff, so selling needs a sign-on. */
  staffed: boolean;
  shift: { number: number; phase: 'open' | 'closing'; business_day: string; opened_at: string } | null;
  shift_required: boolean;
  /** The shift of a lost computer that waits to be closed. */
  orphan: { number: number; incarnation: string; business_day: string } | null;
  last_z: number;
}

export interface Notes {
  value: number;
  count: number;
}

export interface Heap {
  currency?: string;
  total: number;
  by?: Notes[] | undefined;
}

export interface Drawer {
  currency: string;
  float: number;
  sales: number;
  refunds: number;
  paid_in: number;
  paid_out: number;
  safe_drops: number;
  receivables: number;
  /** `null` while the count is blind. */
  expected: number | null;
  counted?: number;
  difference?: number;
}

export interface Report {
  currency: string;
  exponent: number;
  documents: number;
  sales_count: number;
  refunds_count: number;
  line_discounts: number;
  promotions: number;
  order_discounts: number;
  sales: number;
  refunds: number;
  takings: number;
  taxes: { category: string; ppm: number; net_gross: number; net_tax: number }[];
  net: number;
  tax: number;
  rounding: number;
  tenders: { kind: string; amount: number; count: number; unsettled: number }[];
  drawer_openings: number;
  copies: number;
}

export interface Shift {
  till: string;
  number: number;
  phase: 'open' | 'closing';
  business_day: string;
  opened_at: string;
  blind: boolean;
  report: Report;
  drawers: Drawer[];
  open_tenders: { object: string; kind: string; amount: number }[];
}

export interface Z {
  till: string;
  z: number;
  shift: number;
  business_day: string;
  closed_at: string;
  report: Report;
  drawers: Drawer[];
  open_tenders: { object: string; kind: string; amount: number }[];
  approver: string | null;
  recovered: boolean;
  continuity_broken: boolean;
  synced: boolean;
}

export interface Job {
  no: number;
  till: string;
  document: string;
  of: string | null;
  copy: number | null;
  state: 'waiting' | 'printed' | 'given_up';
  tries: number;
  last_error: string | null;
  printed_at: string | null;
}

export interface Printer {
  till: string;
  target: string;
  columns: number;
  state: 'ready' | 'paper_out' | 'unreachable' | 'unknown';
  waiting: number;
}

/** A browser that was let in. */
export interface Device {
  id: string;
  name: string;
  kind: 'till' | 'display';
  till: string;
  paired_at: string;
}

export interface Terminal {
  kind: 'simulated';
  online: boolean;
}

/** Money of a sale that never came. */
export interface Owed {
  sale_id: string;
  receipt: string;
  tender: string;
  kind: string;
  amount: number;
  outcome: 'declined' | 'expired' | 'missing';
  collected: boolean;
}

export interface Policy {
  shifts: 'optional' | 'required';
  blind_count: boolean;
  difference_max: number | null;
  roles: Record<string, Role>;
}

const of = (till: string) => `/v1/tills/${enc(till)}`;

export const day = {
  staff: async () => (await call<Page<Staff>>('GET', '/v1/staff')).data,
  putStaff: (id: string, what: { name: string; role: Role; pin?: string; active?: boolean; approval?: Approval | undefined }) =>
    call<Staff>('PUT', `/v1/staff/${enc(id)}`, what),

  till: (till: string) => call<TillState>('GET', of(till)),
  signOn: (till: string, staff: string, pin: string) => call<TillState>('POST', `${of(till)}/sign-on`, { staff, pin }),
  signOff: (till: string) => call<TillState>('POST', `${of(till)}/sign-off`, {}),
  openDrawer: (till: string, what: { id: string; reason: string; approval?: Approval | undefined }) =>
    call<unknown>('POST', `${of(till)}/drawer`, what),

  openShift: (till: string, what: { id: string; floats: Heap[]; approval?: Approval | undefined }) =>
    call<Shift>('POST', `${of(till)}/shift`, what),
  shift: (till: string) => call<Shift>('GET', `${of(till)}/shift`),
  cash: (till: string, what: { id: string; direction: string; amount: number; reason: string; approval?: Approval | undefined }) =>
    call<Shift>('POST', `${of(till)}/shift/cash`, what),
  beginCount: (till: string) => call<Shift>('POST', `${of(till)}/shift/count`, {}),
  close: (till: string, what: { shift: number; counts: Heap[]; approval?: Approval | undefined }) =>
    call<Z>('POST', `${of(till)}/shift/close`, what),
  recover: (till: string, what: { counts: Heap[]; approval?: Approval | undefined }) =>
    call<Z>('POST', `${of(till)}/shift/recover`, what),
  zs: async (till: string) => (await call<Page<Z>>('GET', `${of(till)}/z?limit=30`)).data,

  training: async (till: string) => (await call<{ on: boolean }>('GET', `${of(till)}/training`)).on,
  train: (till: string, what: { on: boolean; approval?: Approval | undefined }) => call<unknown>('POST', `${of(till)}/training`, what),

  pair: (code: string) => call<{ name: string; till: string; token: string }>('POST', '/v1/devices', { code }),
  invite: (what: { name: string; kind: 'till' | 'display'; till: string; approval?: Approval | undefined }) =>
    call<{ code: string; expires_at: string }>('POST', '/v1/pairings', what),
  devices: async () => (await call<Page<Device>>('GET', '/v1/devices')).data,
  unpair: (id: string, approval?: Approval) => call<unknown>('POST', `/v1/devices/${enc(id)}/unpair`, { approval }),

  terminal: (till: string) => call<Terminal>('GET', `/v1/terminals/${enc(till)}`),
  putTerminal: (till: string, what: Partial<Terminal>) => call<Terminal>('PUT', `/v1/terminals/${enc(till)}`, what),
  bank: () => call<{ bank: string; account: string }>('GET', '/v1/bank-account'),
  putBank: (what: { bank: string; account: string }) => call<unknown>('PUT', '/v1/bank-account', what),

  owed: async () => (await call<Page<Owed>>('GET', '/v1/receivables')).data,
  collect: (id: string, what: { till: string; sale_id: string; tender: string; tenders: { kind: string; amount: number }[] }) =>
    call<{ receipt: string; change: number }>('PUT', `/v1/receivables/${enc(id)}`, what),

  policy: () => call<Policy>('GET', '/v1/policy'),
  putPolicy: (what: Partial<Policy> & { approval?: Approval | undefined }) => call<Policy>('PUT', '/v1/policy', what),

  print: (what: { id: string; till: string; document: string; of?: string; kick?: boolean }) =>
    call<Job>('POST', '/v1/print-jobs', what),
  jobs: async () => (await call<Page<Job>>('GET', '/v1/print-jobs?state=waiting')).data,
  retryJob: (no: number) => call<unknown>('POST', `/v1/print-jobs/${no}/retry`, {}),
  dropJob: (no: number) => call<unknown>('DELETE', `/v1/print-jobs/${no}`),
  printers: async () => (await call<Page<Printer>>('GET', '/v1/printers')).data,
  putPrinter: (till: string, what: { target: string; columns?: number; approval?: Approval | undefined }) =>
    call<Printer>('PUT', `/v1/printers/${enc(till)}`, what),
};

/** The address of a paper of this till, to look at or to print from the browser. */
export const paper = (kind: 'x' | 'z', till: string, n?: number) =>
  `/v1/documents/${kind}/${enc(till)}${n === undefined ? '' : `/${n}`}?format=html`;
