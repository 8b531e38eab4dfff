//! The command `exportctl aws`.

use std::{
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use exportpool_contract::environment as name;
use tokio::signal::unix::{SignalKind, signal};

use super::{Error, Options, StandIn, ill::Illness, make_resources};
use crate::{load::units, source, target::Target, usage::usage};

/// What the consumer refuses by default, and a file server on this machine needs.
const LOOPBACK_NETWORKS: &str = "127.0.0.0/8,::1/128";

const HELP: &str = "\
Start it in one terminal, and use it in another:
  exportctl aws
  eval \"$(exportctl aws --print-env)\"
Then the SDKs, the consumer, exportctl load and exportctl monitor work with it.

More:
  exportctl aws --port 0            any free port; the environment names it
  exportctl aws --emulator URL      only make the resources, in LocalStack or
                                    any other emulator
  exportctl aws --access-key ID     see what wrong credentials do
  exportctl aws --sqs throttled     see what queues that are not well do

What it makes:
  queues   export-jobs and download-tasks; after 100 receives a message goes
           to export-jobs-dlq or download-tasks-dlq
  bucket   exports, versioned
  table    exports, with the keys pk and sk
  files    to export, made up as they are asked for:
           http://127.0.0.1:4566/_source/files/NAME?size=10240&delay=400

Nothing is kept: all of it is gone when it stops. Signatures are not verified,
and whoever reaches the port may do everything: it is for one machine.";

/// SQS, S3 and DynamoDB on this machine, without an AWS account. Prints the environment to export, then serves
/// until Ctrl-C.
#[derive(clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The port for all three services; 0 is any free one.
    #[arg(long, default_value_t = 4566)]
    port: u16,
    /// The address to listen on. There is no authentication: beyond loopback, others can reach it too.
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST.into(), value_name = "ADDRESS")]
    bind: IpAddr,
    /// Start nothing: make the resources in the emulator that runs at this URL.
    #[arg(long, value_name = "URL", conflicts_with_all = ["port", "bind"])]
    emulator: Option<String>,
    /// Start and make nothing: print the environment for a stand-in at this port, or at --emulator.
    #[arg(long)]
    print_env: bool,
    /// Refuse requests signed with another access key id, in AWS's own words. By default any key is taken.
    #[arg(long, value_name = "ID")]
    access_key: Option<String>,
    /// Make nothing, and answer each request to SQS like this.
    #[arg(long, value_enum, value_name = "HOW", conflicts_with_all = ["emulator", "print_env"])]
    sqs: Option<Illness>,
    /// S3 takes so long to begin with an object, or a part of one, that is stored.
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = units::duration, conflicts_with_all = ["emulator", "print_env"])]
    store_delay: Duration,
}

/// Prints the environment; makes the resources; serves until a signal comes.
///
/// # Errors
/// [`Error`], each with a remedy; a URL that is none; standard output closed.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.print_env {
        print(&environment(&args.named_target()?))?;
    } else if args.emulator.is_some() {
        let target = args.named_target()?;
        make_resources(&target).await?;
        print(&environment(&target))?;
    } else {
        serve(args).await?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Args {
    /// The stand-in that the arguments name, whether or not it runs.
    fn named_target(&self) -> anyhow::Result<Target> {
        let url = match &self.emulator {
            Some(url) => url.clone(),
            None if self.port == 0 => return Err(usage(Error::UnknownPort).into()),
            None => super::serve::url(SocketAddr::new(self.bind, self.port)),
        };
        self.target(&url)
    }

    fn target(&self, url: &str) -> anyhow::Result<Target> {
        let mut target = Target::emulator(url).map_err(usage)?;
        if let (Some(id), Some(key)) = (&self.access_key, &mut target.access.key) {
            key.id.clone_from(id);
        }
        Ok(target)
    }
}

async fn serve(args: Args) -> anyhow::Result<()> {
    // From here on, so that a signal during the start also ends in an orderly stop.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (bind, port, access_key, illness) = (args.bind, args.port, args.access_key.clone(), args.sqs);
    let files = source::Options::default();
    let source = Some(source::router(files.clone()));
    let store_delay = args.store_delay;
    let stand_in = StandIn::start(Options { bind, port, access_key, illness, store_delay, source }).await?;
    let target = args.target(&stand_in.endpoint())?;
    if illness.is_none() {
        make_resources(&target).await?;
    }
    print(&environment(&target))?;
    tell(&stand_in)?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    files.stop.cancel();
    stand_in.shutdown().await;
    Ok(())
}

/// The environment of a consumer of this target, with leave to download from this machine.
pub(crate) fn environment(target: &Target) -> Vec<(&'static str, String)> {
    let mut variables = target.variables();
    variables.push((name::EXPORT_ALLOWED_NETWORKS, LOOPBACK_NETWORKS.to_owned()));
    variables
}

/// Standard output holds nothing but the environment, so that a shell can read it.
fn print(variables: &[(&'static str, String)]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for (name, value) in variables {
        writeln!(out, "export {name}={}", quoted(value))?;
    }
    out.flush()
}

fn tell(stand_in: &StandIn) -> io::Result<()> {
    let mut out = io::stderr().lock();
    writeln!(
        out,
        "AWS stand-in: SQS, S3 and DynamoDB at {}. Its data is gone when it stops (Ctrl-C).",
        stand_in.endpoint()
    )?;
    if !stand_in.address().ip().is_loopback() {
        writeln!(
            out,
            "warning: it listens on {}, and there is no authentication: whoever reaches that address may read and \
             change everything",
            stand_in.address()
        )?;
    }
    Ok(())
}

/// A word of a POSIX shell.
pub(crate) fn quoted(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:,@%+=-[]".contains(&byte);
    if !value.is_empty() && value.bytes().all(plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_one_word_to_a_shell() {
        assert_eq!(
            quoted("http://127.0.0.1:4566/000000000000/export-jobs"),
            "http://127.0.0.1:4566/000000000000/export-jobs"
        );
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
