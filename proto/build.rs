//! Compiles the protos without a system protoc.

use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let protos = [
        "tradepost/cart/v1/service.proto",
        "tradepost/catalog/v1/events.proto",
        "tradepost/catalog/v1/service.proto",
        "tradepost/common/v1/common.proto",
        "tradepost/inventory/v1/events.proto",
        "tradepost/inventory/v1/service.proto",
        "tradepost/order/v1/events.proto",
        "tradepost/order/v1/service.proto",
        "tradepost/payment/v1/events.proto",
        "tradepost/payment/v1/service.proto",
        "tradepost/shift/v1/events.proto",
        "tradepost/sync/v1/sync.proto",
    ];
    println!("cargo:rerun-if-changed=tradepost");
    let descriptors = protox::compile(protos, ["."])?;
    let out = std::path::PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo names a folder")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().bytes(".tradepost.sync.v1.Batch.payload").compile_fds(descriptors)?;
    Ok(())
}
