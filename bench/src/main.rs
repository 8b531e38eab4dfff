//! `exportpool-bench`: the promises of speed, memory and cost, measured on this machine beside the alternatives.
//!
//! Reading order: [`stage`] puts up the AWS stand-in, [`contender`] starts who is measured, [`load`] sends, [`ledger`]
//! reads what was recorded, [`measure`] has a room for each measurement, [`render`] makes tables and charts of the
//! results. [`bare`] is the loop that exportpool is compared with. Everything talks to 127.0.0.1 only.

mod bare;
mod contender;
mod front;
mod ledger;
mod load;
mod machine;
mod measure;
mod process;
mod procfs;
mod render;
mod sheet;
mod stage;
mod stats;

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// Measures exportpool beside a bare SDK loop, a Node stack and Spring Cloud AWS.
#[derive(Parser)]
#[command(name = "exportpool-bench", version, about, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures, writes the results as JSON, and renders them.
    Run(measure::Args),
    /// Makes tables and charts of the results that are there; the prose around them stays.
    Render {
        /// The folder of docs/benchmarks.md and docs/benchmarks/.
        #[arg(long, default_value = "docs")]
        docs: PathBuf,
    },
    /// The bare loop: started by `run`, configured like the consumer.
    #[command(hide = true)]
    Bare {
        /// A thread for each slot.
        #[arg(long)]
        threads: bool,
    },
}

fn main() -> ExitCode {
    let _ = rustls::crypto::ring::default_provider().install_default();
    match command(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            say(&format!("exportpool-bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn command(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match command {
        Command::Run(args) => runtime.block_on(measure::run(args)),
        Command::Render { docs } => render::render(&docs).map(|()| ExitCode::SUCCESS),
        Command::Bare { threads: false } => {
            runtime.block_on(tokio::task::LocalSet::new().run_until(bare::run()))
        }
        Command::Bare { threads: true } => bare::run_on_threads(),
    }
}

/// A line of progress.
fn say(line: &str) {
    // Nobody reads: nothing to be done about it.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
