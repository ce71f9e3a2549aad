/**
 * What the node's API says and takes, as far as the till needs it (`openapi.json` is the law; `npm test` compares
 * the names here with it where it exists). Money is in minor units, quantities in thousandths.
 */
import type { Base } from '../core/quantity.ts';
import type { Approval } from './day.ts';

export interface Bootstrap {
  store: { code: string; name: string } | null;
  till: string;
  currency: string;
  exponent: number;
  /** The smallest step cash is paid in; 1 means none. */
  cash_step: number;
  prices_include_tax: boolean;
  products: number;
  enrolled: boolean;
  /** Answers go unencrypted over the store's network. */
  insecure_lan?: boolean;
  /** What people call this paired device. */
  device?: string | null;
}

export interface Product {
  sku: string;
  name: string;
  category: string;
  gtins: string[];
  plu: number | null;
  unit: { base: Base; base_per_unit: number };
  /** `null` where no price is in force. */
  price: number | null;
  currency: string;
  exponent: number;
  min_age: number | null;
  policy: 'strict' | 'in_hand' | 'override';
  weighed: boolean;
  active: boolean;
  stock: { on_hand: number; available: number };
}

export interface Page<Row> {
  data: Row[];
  next_cursor: string | null;
  has_more: boolean;
}

export interface Lookup {
  matched: 'gtin' | 'plu' | 'weight_label' | 'price_label' | 'sku';
  product: Product;
  quantity_milli: number | null;
  label_amount: number | null;
}

export interface AgeCheck {
  min_age: number;
  method: string;
}

export interface NewLine {
  code?: string;
  sku?: string;
  quantity_milli?: number;
  unit_price?: number;
  price_reason?: string;
  discounts?: Discount[];
  age_check?: AgeCheck;
  serials?: string[];
  /** A web order's goods, paid and handed out with this line. */
  reservation?: string;
  /** A gift card or voucher that is sold. */
  voucher?: { code: string; amount: number; kind: 'gift_card' | 'voucher' };
}

export interface Discount {
  kind: 'percent' | 'fixed';
  /** Parts per million, or minor units. */
  value: number;
  reason: string;
  approver?: string | null;
  coupon?: string | null;
  approval?: Approval;
}

export interface CartLine {
  line: string;
  sku: string;
  name: string;
  quantity_milli: number;
  unit_price: number;
  base: number;
  discount: number;
  promotion: number;
  order_share: number;
  amount: number;
  tax_ppm: number;
  weighed: boolean;
  min_age: number | null;
  discounts: Discount[];
  /** Why the price was given by hand. */
  note: string | null;
  /** Every piece is sold with its serial number. */
  serialised: boolean;
  serials: string[];
  /** Two tills changed it at once; the node kept both. */
  changed_on_both: boolean;
}

export interface TaxGroup {
  category: string;
  ppm: number;
  net: number;
  tax: number;
  gross: number;
}

export interface CartTotals {
  gross_before_discounts: number;
  discounts: number;
  net: number;
  tax: number;
  total: number;
  cash_due: number;
  tax_groups: TaxGroup[];
}

export type CartState = 'open' | 'tendering' | 'parked' | 'paid' | 'voided';

export interface Cart {
  id: string;
  till: string;
  state: CartState;
  customer: string | null;
  version: number;
  lines: CartLine[];
  discounts: Discount[];
  /** Why it is sold without tax. */
  exemption: Exemption | null;
  totals: CartTotals;
  currency: string;
  exponent: number;
  sale_id: string | null;
  /** Whose computer alone may finish it; `null` where the store has one computer. */
  owner: { name: string; incarnation: string; here: boolean } | null;
  flags: CartFlag[];
}

export interface Exemption {
  reason: string;
  certificate: string;
}

export type CartFlag = 'cloned_both_paid' | 'left_over' | 'taken_over';

export interface Tender {
  kind: 'cash' | 'card' | 'voucher' | 'gift_card' | 'vietqr' | 'foreign_cash' | 'bank_transfer' | 'other';
  /** For cash: what was handed over. */
  amount: number;
  reference?: string;
}

export interface Sale {
  id: string;
  kind: 'sale' | 'refund';
  receipt: { till: string; series: string; n: number; number: string };
  committed_at: string;
  business_day: string;
  customer: string | null;
  lines: SaleLine[];
  currency: string;
  exponent: number;
  total: number;
  rounding: number;
  cash_due: number;
  cash_tendered: number;
  change: number;
  tenders: { kind: string; amount: number; state: string; reference: string | null; now?: string | null }[];
  synced: boolean;
  original_sale: string | null;
}

export interface SaleLine {
  line: number;
  sku: string;
  name: string;
  quantity_milli: number;
  unit_price: number;
  amount: number;
  net: number;
  tax: number;
  /** What of it came back before. */
  refunded_milli: number;
  serials: string[];
}

export interface Neighbour {
  name: string;
  incarnation: string;
  link: string;
  last_contact_ms_ago: number | null;
  last_error: string | null;
  held_seq: number;
  holds_seq: number;
}

export interface SyncStatus {
  enrolled: boolean;
  hub: { address: string | null; connected: boolean; last_contact_ms_ago: number | null; last_error: string | null; needs_code?: boolean };
  incarnation: string;
  registered: boolean;
  acked_seq: number;
  unsynced: number;
  oldest_unsynced_ms: number | null;
  catalog: { epoch: number; version: number; hub_version: number };
  link: 'never' | 'online' | 'syncing' | 'offline';
  clock_skew_ms: number;
  neighbours: Neighbour[];
  /** The hub's leave to promise limited goods; older nodes don't tell of it. */
  lease?: { held: boolean; until: string | null; why: string | null } | null;
  /** Events of this computer that a person at the hub still has to settle. */
  quarantined?: number[];
  /** A barrier holds the store's rights still. */
  frozen?: boolean;
}

/** RFC 9457, as the node answers it. */
export interface ProblemBody {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  errors?: { pointer: string; code: string; detail: string }[];
  retryable: boolean;
  trace_id: string;
}
