//! Compiles the protos without a system protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let protos = [
        "tradepost/catalog/v1/events.proto",
        "tradepost/common/v1/common.proto",
        "tradepost/inventory/v1/events.proto",
        "tradepost/order/v1/events.proto",
        "tradepost/payment/v1/events.proto",
        "tradepost/sync/v1/sync.proto",
    ];
    println!("cargo:rerun-if-changed=tradepost");
    let descriptors = protox::compile(protos, ["."])?;
    tonic_prost_build::configure().bytes(".tradepost.sync.v1.Batch.payload").compile_fds(descriptors)?;
    Ok(())
}
