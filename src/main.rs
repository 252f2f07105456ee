//! samegate: arguments → configuration → logging → run until a signal → drain.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use samegate::app::{Addresses, App, Reloader};
use samegate::cli::{self, Command, ConfigCommand, Output, Serve};
use samegate::config::{self, Config, ConfigErrors, Overrides};
use samegate::error::{Error, Kind, Result};
use samegate::telemetry;
use samegate::watch::Files;
use tokio::signal::unix::{SignalKind, signal};

/// The configuration is wrong: nothing was started (as clap's usage errors).
const EXIT_CONFIG: u8 = 2;

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("cannot start threads: {error}")),
    };
    match cli::parse().command {
        Command::Serve(serve) => match load(&serve) {
            Ok(config) => {
                let exit = runtime.block_on(run(&serve, &config));
                // Here, where it may block: the runtime still carries spans.
                telemetry::stop();
                exit
            }
            Err(errors) => misconfigured(&errors),
        },
        Command::Config(ConfigCommand::Check { file }) => check(&file),
        Command::Config(ConfigCommand::Default) => {
            Output::standard().line(config::DEFAULT.trim_end());
            ExitCode::SUCCESS
        }
        Command::Client(command) => runtime.block_on(cli::run(command)),
    }
}

fn load(serve: &Serve) -> std::result::Result<Config, ConfigErrors> {
    let Serve {
        config,
        data,
        grpc,
        rest,
        admin,
    } = serve.clone();
    let overrides = Overrides {
        data,
        grpc,
        rest,
        admin,
    };
    config::load(config.as_deref(), &config::environment(), &overrides)
}

async fn run(serve: &Serve, config: &Config) -> ExitCode {
    if let Err(error) = telemetry::start(&config.telemetry) {
        return failed(&error.to_string());
    }
    match start(config).await {
        Ok((app, shutdown)) => {
            greet(serve, config, app.addresses());
            let following = tokio::spawn(follow(serve.clone(), config.clone(), app.reloader()));
            app.run(shutdown).await;
            following.abort();
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error.to_string()),
    }
}

/// Binds the gateway before it waits for signals, so that one that comes
/// during a long start ends the process at once.
async fn start(config: &Config) -> Result<(App, impl Future<Output = Duration>)> {
    let app = App::bind(config).await?;
    let listen = |kind| {
        signal(kind).map_err(|error| Error::new(Kind::Internal, format!("no signals: {error}")))
    };
    let (mut interrupt, mut terminate) = (
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
    );
    let lame_duck = config.limits.lame_duck;
    let shutdown = async move {
        let lame_duck = tokio::select! {
            // Somebody sits there and waits; no load balancer does.
            _ = interrupt.recv() => Duration::ZERO,
            _ = terminate.recv() => lame_duck,
        };
        // A second Ctrl-C means: now.
        tokio::spawn(async move {
            interrupt.recv().await;
            std::process::exit(130);
        });
        lame_duck
    };
    Ok((app, shutdown))
}

/// Reads the configuration again when its files change, and at SIGHUP.
async fn follow(serve: Serve, config: Config, mut reloader: Reloader) {
    let Ok(mut hang_up) = signal(SignalKind::hangup()) else {
        tracing::error!("SIGHUP cannot be waited for; the configuration is not read again");
        return;
    };
    let watch = |secrets: &[PathBuf]| {
        let paths = serve.config.iter().chain(secrets);
        Files::new(paths.cloned().collect())
    };
    let mut secrets = config.files;
    let mut files = watch(&secrets).await;
    loop {
        let read = load(&serve);
        // Files may have changed between being read and being watched.
        if let Ok(read) = &read
            && read.files != secrets
        {
            secrets.clone_from(&read.files);
            files = watch(&secrets).await;
            continue;
        }
        reloader.apply(read);
        if files.have_changed().await {
            continue;
        }
        tokio::select! {
            () = files.changed() => {}
            _ = hang_up.recv() => {}
        }
    }
}

/// Says where the gateway listens and what to try first.
fn greet(serve: &Serve, config: &Config, addresses: Addresses) {
    let Addresses { grpc, rest, admin } = addresses;
    let libraries: Vec<_> = config.libraries.keys().map(String::as_str).collect();
    let from = serve
        .config
        .as_ref()
        .map_or("the built-in configuration".to_owned(), |file| {
            file.display().to_string()
        });
    Output::standard().line(&format!(
        "samegate {version} is running with {from}\n\
         \x20 gRPC       {grpc}\n\
         \x20 REST       http://{rest}\n\
         \x20 probes     http://{admin}/readyz\n\
         \x20 libraries  {libraries}\n\
         Try it from another terminal:\n\
         \x20 samegate add IMAGE.jpg --endpoint http://{grpc}\n\
         \x20 samegate search COPY.jpg --endpoint http://{grpc}",
        version = env!("CARGO_PKG_VERSION"),
        libraries = libraries.join(", "),
    ));
}

fn check(file: &Path) -> ExitCode {
    match config::load(Some(file), &config::environment(), &Overrides::default()) {
        Ok(_) => {
            Output::standard().line(&format!("{}: no errors", file.display()));
            ExitCode::SUCCESS
        }
        Err(errors) => misconfigured(&errors),
    }
}

fn misconfigured(errors: &ConfigErrors) -> ExitCode {
    Output::standard().note(&errors.to_string());
    ExitCode::from(EXIT_CONFIG)
}

fn failed(message: &str) -> ExitCode {
    Output::standard().note(&format!("error: {message}"));
    ExitCode::FAILURE
}
