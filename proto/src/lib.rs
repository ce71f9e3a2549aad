//! The wire: gRPC services and frames, and their translation to and from the pure types.

pub mod convert;
pub mod enrolment;
mod lease;
mod records;
mod shared;

/// The descriptors of all services and messages, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Generated from `tradepost/common/v1`.
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated; the protos hold the comments")]
pub mod common {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("tradepost.common.v1");
    }
}

/// Generated from `tradepost/sync/v1`.
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated; the protos hold the comments")]
pub mod sync {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("tradepost.sync.v1");
    }
}

/// Generated from `tradepost/cart/v1`.
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated; the protos hold the comments")]
pub mod cart {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("tradepost.cart.v1");
    }
}

/// Generated from `tradepost/catalog/v1`.
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated; the protos hold the comments")]
pub mod catalog {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("tradepost.catalog.v1");
    }
}

/// Generated from `tradepost/inventory/v1`.
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated; the protos hold the comments")]
pub mod inventory {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("tradepost.inventory.v1");
    }
}

/// Generated from `tradepost/order/v1`.
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated; the protos hold the comments")]
pub mod order {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("tradepost.order.v1");
    }
}

/// Generated from `tradepost/shift/v1`.
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated; the protos hold the comments")]
pub mod shift {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("tradepost.shift.v1");
    }
}

/// Generated from `tradepost/payment/v1`.
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated; the protos hold the comments")]
pub mod payment {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("tradepost.payment.v1");
    }
}
