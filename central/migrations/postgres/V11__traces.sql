-- Where what the company hears goes on from (W3C trace context): the request that wrote it, or that placed the order.
-- Rows of a store's events have none: their trace is named by the document.
ALTER TABLE outbox ADD COLUMN traceparent TEXT;
ALTER TABLE web_orders ADD COLUMN traceparent TEXT;
