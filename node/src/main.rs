//! `tradepost-node`: serves a store, and works on its files while it is not running.

use clap::Parser;
use std::io::{BufReader, Write};
use std::path::Path;
use std::process::ExitCode;
use tradepost_node::app::import::{BUILT_IN, Catalog, Format, Imported, import};
use tradepost_node::app::problem::Stop;
use tradepost_node::app::start::{self, Starting};
use tradepost_node::app::{Node, audit, export};
use tradepost_node::config::{AuditCommand, CatalogCommand, Cli, Command, Config, ExportKind, FileFormat};
use tradepost_node::db::{Durability, Fault, Reads};
use tradepost_node::program::{Failure, luck, read_catalog, run};
use tradepost_node::writer::Machine;

fn main() -> ExitCode {
    let cli = Cli::parse();
    tradepost_node::program::start_logging();
    let done = match cli.command {
        Command::Run(args) => Config::read(*args).map_err(Failure::from).and_then(run),
        Command::Catalog(CatalogCommand::Import { file, format, data_dir }) => {
            import_catalog(&file, format, &data_dir)
        }
        Command::Enrol { code, node } => tradepost_node::program::enrol(&node, &code),
        Command::Export { what, data_dir } => write_export(what, &data_dir),
        Command::Audit(AuditCommand::Verify { data_dir }) => verify(&data_dir),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "tradepost-node: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn import_catalog(file: &str, format: FileFormat, data_dir: &Path) -> Result<(), Failure> {
    let format = match format {
        FileFormat::Ndjson => Format::Ndjson,
        FileFormat::Csv => Format::Csv,
    };
    let catalog = match BUILT_IN.iter().find(|(name, _)| *name == file) {
        Some(_) => read_catalog(file)?,
        None => Catalog::read(BufReader::new(std::fs::File::open(file)?), format)?,
    };
    let machine = Machine::default();
    let (mut node, _) = open(data_dir, machine)?;
    let now = node.now(machine.wall(), machine.boot());
    node.begin()?;
    let done = import(&mut node, now, catalog)?;
    node.commit()?;
    node.close()?;
    say(&done)
}

fn say(done: &Imported) -> Result<(), Failure> {
    let Imported { products, prices, promotions, stocked } = done;
    writeln!(
        std::io::stdout(),
        "{{\"products\":{products},\"prices\":{prices},\"promotions\":{promotions},\"stocked\":{stocked}}}"
    )?;
    Ok(())
}

fn open(data_dir: &Path, machine: Machine) -> Result<(Node, start::Opening), Failure> {
    let starting = Starting {
        luck: luck(),
        wall: machine.wall(),
        boot: machine.boot(),
        durability: Durability::Full,
        accept_clock: false,
    };
    Ok(start::start(data_dir, starting)?)
}

fn reads(data_dir: &Path) -> Result<Reads, Failure> {
    let path = data_dir.join("tradepost.db");
    if !path.exists() {
        return Err(Failure::Other(format!("there is no node in {}", data_dir.display())));
    }
    Ok(Reads::new(&path))
}

fn write_export(what: ExportKind, data_dir: &Path) -> Result<(), Failure> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut broken = None;
    let mut tell = |line: String| {
        let written = writeln!(out, "{line}");
        broken = written.err();
        broken.is_none()
    };
    reads(data_dir)?.with::<_, Stop>(|conn| match what {
        ExportKind::Events => export::events(conn, &mut tell),
        ExportKind::Receipts => export::receipts(conn, &mut tell),
        ExportKind::Audit => export::audit(conn, &mut tell),
    })?;
    match broken {
        Some(error) => Err(error.into()),
        None => Ok(out.flush()?),
    }
}

fn verify(data_dir: &Path) -> Result<(), Failure> {
    match reads(data_dir)?.with::<_, Stop>(audit::walk) {
        Ok(Ok(walked)) => {
            writeln!(
                std::io::stdout(),
                "{{\"whole\":true,\"events\":{},\"signatures\":{}}}",
                walked.events,
                walked.signatures
            )?;
            Ok(())
        }
        Ok(Err(broken)) => Err(Failure::Other(broken.to_string())),
        Err(Stop::Fault(Fault::Fatal(why))) => Err(Failure::Other(why)),
        Err(stop) => Err(stop.into()),
    }
}
