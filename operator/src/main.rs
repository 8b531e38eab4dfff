//! `exportpool-operator`: see `--help`.

use std::{io::IsTerminal, process::ExitCode};

use clap::Parser;
use exportpool_operator::{
    api::ExportPool,
    arguments::{Arguments, Command, Controller, LogFormat},
    client, crd, run,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, ListParams},
    core::ApiResource,
};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // The only one there is: another one cannot have been installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let outcome = match arguments.command {
        Some(Command::Crd) => print_definition(),
        Some(Command::CheckEmpty) => check_empty(&arguments.controller).await,
        None => match log(arguments.controller.log_format) {
            Ok(()) => run::run(arguments.controller).await,
            wrong => wrong,
        },
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

async fn check_empty(scope: &Controller) -> anyhow::Result<()> {
    let client = client::inferred().await?;
    let mut names = Vec::new();
    for namespace in scope.namespaces() {
        names.extend(pools_of(scope, &in_scope(&client, namespace)).await?);
    }
    anyhow::ensure!(
        names.is_empty(),
        "there are ExportPools, which nobody would look after any more: {}. Delete them first (kubectl delete xp), or \
         uninstall all the same with helm uninstall --no-hooks: their pods stay as many as they are",
        names.join(", ")
    );
    Ok(())
}

/// As they are, whatever this version knows of them.
fn in_scope(client: &Client, namespace: Option<&str>) -> Api<DynamicObject> {
    let (client, pools) = (client.clone(), ApiResource::erase::<ExportPool>(&()));
    match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &pools),
        None => Api::all_with(client, &pools),
    }
}

/// Names of pools that this operator looks after; none where the definition is not there.
async fn pools_of(scope: &Controller, pools: &Api<DynamicObject>) -> anyhow::Result<Vec<String>> {
    let pools = match pools.list(&ListParams::default()).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(Vec::new()),
        listed => listed?,
    };
    let ours = pools.iter().filter(|pool| pool.data["spec"]["class"].as_str() == scope.class.as_deref());
    Ok(ours.map(|pool| format!("{}/{}", pool.namespace().unwrap_or_default(), pool.name_any())).collect())
}

fn log(format: Option<LogFormat>) -> anyhow::Result<()> {
    let filter =
        std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty()).unwrap_or("info".to_owned());
    let filter = EnvFilter::try_new(&filter).map_err(|error| {
        anyhow::anyhow!("RUST_LOG={filter:?} is not allowed ({error}): it must be a filter such as info, or debug,kube=info")
    })?;
    let terminal = std::io::stdout().is_terminal();
    let format = format.unwrap_or(if terminal { LogFormat::Human } else { LogFormat::Json });
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(terminal);
    match format {
        LogFormat::Json => logs.json().flatten_event(true).init(),
        LogFormat::Human => logs.init(),
    }
    Ok(())
}
