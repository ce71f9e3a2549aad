/**
 * What the node's API says and takes, as far as the till needs it (`openapi.json` is the law; `npm test` compares
 * the names here with it where it exists). Money is in minor units, quantities in thousandths.
 */
import type { Base } from '../core/quantity.ts';

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
}

export interface Discount {
  kind: 'percent' | 'fixed';
  /** Parts per million, or minor units. */
  value: number;
  reason: string;
  approver?: string | null;
  coupon?: string | null;
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
  totals: CartTotals;
  currency: string;
  exponent: number;
  sale_id: string | null;
}

export interface Tender {
  kind: 'cash' | 'card' | 'voucher' | 'bank_transfer' | 'other';
  /** For cash: what was handed over. */
  amount: number;
  reference?: string;
}

export interface Sale {
  id: string;
  kind: 'sale' | 'refund';
  receipt: { till: string; series: string; n: number; number: string };
  committed_at: string;
  currency: string;
  exponent: number;
  total: number;
  rounding: number;
  cash_due: number;
  cash_tendered: number;
  change: number;
  tenders: { kind: string; amount: number; state: string; reference: string | null }[];
  synced: boolean;
}

export interface SyncStatus {
  enrolled: boolean;
  hub: { address: string | null; connected: boolean; last_contact_ms_ago: number | null; last_error: string | null };
  incarnation: string;
  registered: boolean;
  acked_seq: number;
  unsynced: number;
  oldest_unsynced_ms: number | null;
  catalog: { epoch: number; version: number; hub_version: number };
  link: 'never' | 'online' | 'syncing' | 'offline';
  clock_skew_ms: number;
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
