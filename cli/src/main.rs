//! `exportctl`: exportpool on a laptop, with no cluster and no account.

mod aws;
mod ci;
mod cluster;
mod demo;
mod explain;
mod forward;
mod load;
mod monitor;
mod profile;
mod program;
mod say;
mod scenario;
mod source;
mod stage;
mod stop;
mod target;
mod usage;
mod verify;

use std::{env, process::ExitCode};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use usage::{EXIT_USAGE, Usage};

/// exportpool on a laptop: the whole export service with no cluster and no AWS account.
#[derive(Parser)]
#[command(name = "exportctl", version, about, arg_required_else_help = true, max_term_width = 100)]
#[command(
    after_help = "Start here:\n  exportctl demo        the main job, end to end\n  exportctl aws         an AWS stand-in; prints the environment to export\n  exportctl load 100    send 100 jobs to the queue in the environment\n  exportctl monitor     watch the queues\n  exportctl profile     what ails a consumer: doctor, bubble, flame, heap\n  exportctl scenario    a consumer in stated situations, and what must hold\n  exportctl explain P   on Kubernetes: why pool P has as many pods as it has"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    Load(load::Args),
    Monitor(monitor::Args),
    Profile(profile::Args),
    Baselines(profile::baselines::Args),
    Scenario(scenario::Args),
    Aws(aws::Args),
    Explain(explain::Args),
    /// Print the CustomResourceDefinition of ExportPool, for kubectl apply -f -
    Crd,
}

fn main() -> ExitCode {
    program::called(env::args_os().next());
    let command = match Cli::from_arg_matches(&grammar().get_matches()) {
        Ok(cli) => cli.command,
        Err(error) => error.exit(),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let outcome = runtime.block_on(async {
        match command {
            Command::Demo(args) => demo::run(args).await,
            Command::Load(args) => load::run(args).await,
            Command::Monitor(args) => monitor::run(args).await,
            Command::Profile(args) => profile::run(args).await,
            Command::Baselines(args) => profile::baselines::run(&args),
            Command::Scenario(args) => scenario::run(args).await,
            Command::Aws(args) => aws::run(args).await,
            Command::Explain(args) => explain::run(args).await,
            Command::Crd => print_definition(),
        }
    });
    outcome.unwrap_or_else(|error| failed(&error))
}

#[expect(clippy::print_stdout, reason = "for kubectl apply -f -")]
fn print_definition() -> anyhow::Result<ExitCode> {
    print!("{}", exportpool_operator::crd::yaml()?);
    Ok(ExitCode::SUCCESS)
}

/// The command line's grammar, with examples that can be pasted where they are read.
fn grammar() -> clap::Command {
    let named = |command: clap::Command| match command.get_after_help() {
        Some(examples) => {
            let examples = program::named(&examples.to_string());
            command.after_help(examples)
        }
        None => command,
    };
    named(Cli::command()).mut_subcommands(named).bin_name(program::title())
}

#[expect(clippy::print_stderr, reason = "the one place where a command's failure is told")]
fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("{}: {error:#}", program::title());
    if error.is::<Usage>() { ExitCode::from(EXIT_USAGE) } else { ExitCode::FAILURE }
}
