//! `exportpool-operator`: see `--help`.

use std::{io::IsTerminal, process::ExitCode};

use clap::Parser;
use exportpool_operator::{
    api::ExportPool,
    arguments::{Arguments, Command, LogFormat},
    crd, run,
};
use kube::{Api, Client, ResourceExt, api::ListParams};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // The only one there is: another one cannot have been installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let outcome = match arguments.command {
        Some(Command::Crd) => print_definition(),
        Some(Command::CheckEmpty) => check_empty().await,
        None => {
            log(arguments.controller.log_format);
            run::run(arguments.controller).await
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the last words of the process")]
            {
                eprintln!("exportpool-operator: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "for kubectl apply -f -")]
fn print_definition() -> anyhow::Result<()> {
    print!("{}", crd::yaml()?);
    Ok(())
}

async fn check_empty() -> anyhow::Result<()> {
    let pools = Api::<ExportPool>::all(Client::try_default().await?);
    let pools = match pools.list_metadata(&ListParams::default()).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
        listed => listed?,
    };
    let name = |pool: &kube::core::PartialObjectMeta<ExportPool>| {
        format!("{}/{}", pool.namespace().unwrap_or_default(), pool.name_any())
    };
    let names: Vec<_> = pools.iter().map(name).collect();
    anyhow::ensure!(
        names.is_empty(),
        "there are ExportPools, which nobody would look after any more: {}. Delete them first (kubectl delete xp), or \
         uninstall all the same with --set uninstall.force=true: their pods stay as many as they are",
        names.join(", ")
    );
    Ok(())
}

fn log(format: Option<LogFormat>) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let terminal = std::io::stdout().is_terminal();
    let format = format.unwrap_or(if terminal { LogFormat::Human } else { LogFormat::Json });
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(terminal);
    match format {
        LogFormat::Json => logs.json().flatten_event(true).init(),
        LogFormat::Human => logs.init(),
    }
}
