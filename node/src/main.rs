//! `tradepost-node`: serves a store, and works on its files while it is not running.

use clap::Parser;
use std::io::{BufReader, Write};
use std::path::Path;
use std::process::ExitCode;
use tradepost_node::app::import::{BUILT_IN, Catalog, Format, Imported, import};
use tradepost_node::app::problem::Stop;
use tradepost_node::app::start::{self, Starting};
use tradepost_node::app::{Node, audit, export, fiscal};
use tradepost_node::backup;
use tradepost_node::config::{AuditCommand, CatalogCommand, Cli, Command, Config, ExportKind, FileFormat};
use tradepost_node::db::{Durability, Fault, Reads};
use tradepost_node::program::{self, Failure, luck, read_catalog, run};
use tradepost_node::writer::Machine;

/// A command would do harm and was refused with a reason; nothing was changed. Any other failure is 1.
const EXIT_REFUSED: u8 = 3;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let telemetry = tradepost_node::program::start_logging();
    let done = match cli.command {
        Command::Run(args) => Config::read(*args).map_err(Failure::from).and_then(run),
        Command::Catalog(CatalogCommand::Import { file, format, data_dir }) => {
            import_catalog(&file, format, &data_dir)
        }
        Command::Enrol { code, node } => tradepost_node::program::enrol(&node, &code),
        Command::Pair { name, till, display, staff, pin, node } => {
            let kind = if display { "display" } else { "till" };
            program::pair(&node, &name, kind, &till, staff.zip(pin))
        }
        Command::Backup { to, data_dir } => back_up(&data_dir, &to),
        Command::Restore { from, data_dir } => restore(&data_dir, &from),
        Command::Retire { to, force, node } => tradepost_node::program::retire(&node, &to, force),
        Command::Export { what, data_dir } => write_export(what, &data_dir),
        Command::Audit(AuditCommand::Verify { data_dir }) => verify(&data_dir),
    };
    telemetry.finish();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "tradepost-node: {failure}");
            match failure {
                Failure::Refused(_) => ExitCode::from(EXIT_REFUSED),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn back_up(data_dir: &Path, to: &Path) -> Result<(), Failure> {
    let made = backup::back_up(data_dir, to)?;
    let (incarnation, seq, made_at) = (made.incarnation, made.seq, made.made_at);
    let line = serde_json::json!({"backup": to, "made_at": made_at, "incarnation": incarnation, "seq": seq});
    program::say(&line.to_string())
}

fn restore(data_dir: &Path, from: &Path) -> Result<(), Failure> {
    let aside = backup::restore(data_dir, from)?;
    program::say(&serde_json::json!({"restored": data_dir, "kept_beside": aside}).to_string())
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

/// The fiscal journal is checked against the log, so the log comes first.
fn verify_fiscal(data_dir: &Path, walked: audit::Walked) -> Result<(), Failure> {
    match reads(data_dir)?.with::<_, Stop>(fiscal::check)? {
        Ok(entries) => {
            let audit::Walked { events, signatures } = walked;
            writeln!(
                std::io::stdout(),
                "{{\"whole\":true,\"events\":{events},\"signatures\":{signatures},\"fiscal\":{entries}}}"
            )?;
            Ok(())
        }
        Err(broken) => Err(Failure::Other(broken.to_string())),
    }
}

fn verify(data_dir: &Path) -> Result<(), Failure> {
    match reads(data_dir)?.with::<_, Stop>(audit::walk) {
        Ok(Ok(walked)) => verify_fiscal(data_dir, walked),
        Ok(Err(broken)) => Err(Failure::Other(broken.to_string())),
        Err(Stop::Fault(Fault::Fatal(why))) => Err(Failure::Other(why)),
        Err(stop) => Err(stop.into()),
    }
}
