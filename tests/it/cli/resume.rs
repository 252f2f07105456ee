//! `samegate import` again: nothing is skipped that the library does not have.

use std::path::Path;

use samegate::cli::Exit;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use super::{Finished, all_briefs, brief, images, path, run, samegate};
use crate::support::gateway::Gateway;
use crate::support::grpc_double::{Act, Double};
use crate::support::images::png;

/// Makes a folder with an image for each of these seeds.
fn pictures(seeds: std::ops::Range<u64>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for seed in seeds {
        std::fs::write(folder.path().join(format!("{seed}.png")), png(seed)).unwrap();
    }
    folder
}

/// Imports a folder into a gateway and returns the summary.
async fn import(gateway: &Gateway, folder: &tempfile::TempDir) -> Value {
    let endpoint = format!("http://{}", gateway.addresses.grpc);
    let args = ["import", path(folder), "--json", "--endpoint", &endpoint];
    let ran = run(&args, CancellationToken::new()).await;
    assert_eq!(ran.exit, Exit::Done, "{ran:?}");
    ran.json_lines().pop().unwrap()
}

async fn signs(gateway: &Gateway) -> Vec<String> {
    let request = samegate::proto::v1::ListImagesRequest::default();
    let page = gateway.client().await.list_images(request).await.unwrap();
    let images = page.into_inner().images;
    images.into_iter().map(|image| image.cont_sign).collect()
}

/// Runs a command that succeeds.
async fn done(args: &[&str]) -> Finished {
    let ran = run(args, CancellationToken::new()).await;
    assert_eq!(ran.exit, Exit::Done, "{ran:?}");
    ran
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp")
        .args(["-r", from.to_str().unwrap(), to.to_str().unwrap()])
        .status();
    assert!(copied.unwrap().success());
}

#[tokio::test]
async fn a_new_library_gets_every_image() {
    let folder = pictures(0..3);
    let gateway = Gateway::start().await;
    import(&gateway, &folder).await;
    let home = gateway.stop().await;
    std::fs::remove_dir_all(home.path().join("data")).unwrap();
    let gateway = Gateway::in_folder(home, "").await;

    let second = import(&gateway, &folder).await;
    let third = import(&gateway, &folder).await;

    assert_eq!(
        (&second["added"], &second["skipped"]),
        (&3.into(), &0.into())
    );
    assert_eq!(second["journal_restarted"], true);
    assert_eq!((&third["added"], &third["skipped"]), (&0.into(), &3.into()));
    assert_eq!(
        (&third["journal_restarted"], &third["verified"]),
        (&false.into(), &true.into())
    );
}

#[tokio::test]
async fn an_emptied_library_gets_every_image_and_a_deleted_one_comes_back() {
    let folder = pictures(0..4);
    let gateway = Gateway::start().await;
    import(&gateway, &folder).await;
    let endpoint = format!("http://{}", gateway.addresses.grpc);
    let stored = signs(&gateway).await;
    done(&["delete", &stored[2], "--endpoint", &endpoint]).await;

    let one = import(&gateway, &folder).await;
    let stored = signs(&gateway).await;
    let all: Vec<&str> = stored.iter().map(String::as_str).collect();
    done(&[&["delete"], &all[..], &["--endpoint", &endpoint]].concat()).await;
    let again = import(&gateway, &folder).await;

    assert_eq!(
        (&one["added"], &one["skipped"], &one["lost"]),
        (&1.into(), &3.into(), &1.into())
    );
    assert_eq!(stored.len(), 4);
    assert_eq!(
        (&again["added"], &again["skipped"], &again["lost"]),
        (&4.into(), &0.into(), &4.into())
    );
}

#[tokio::test]
async fn a_restored_library_gets_what_its_backup_lacks() {
    let folder = pictures(0..2);
    let gateway = Gateway::start().await;
    import(&gateway, &folder).await;
    let home = gateway.stop().await;
    let (data, backup) = (home.path().join("data"), home.path().join("a.backup"));
    let (data, backup) = (data.to_str().unwrap(), backup.to_str().unwrap());
    done(&["library", "backup", "--data", data, "-o", backup]).await;
    std::fs::write(folder.path().join("2.png"), png(2)).unwrap();
    let gateway = Gateway::in_folder(home, "").await;
    assert_eq!(import(&gateway, &folder).await["added"], 1);
    let home = gateway.stop().await;
    done(&["library", "restore", backup, "--data", data, "--replace"]).await;
    let gateway = Gateway::in_folder(home, "").await;

    let restored = import(&gateway, &folder).await;

    assert_eq!(
        (&restored["added"], &restored["existed"]),
        (&1.into(), &2.into())
    );
    assert_eq!(
        (&restored["skipped"], &restored["journal_restarted"]),
        (&0.into(), &true.into())
    );
    assert_eq!(signs(&gateway).await.len(), 3);
}

#[tokio::test]
async fn an_older_copy_of_the_files_gets_what_it_lacks() {
    let folder = pictures(0..2);
    let gateway = Gateway::start().await;
    import(&gateway, &folder).await;
    let home = gateway.stop().await;
    let (data, older) = (home.path().join("data"), home.path().join("older"));
    copy(&data, &older);
    std::fs::write(folder.path().join("2.png"), png(2)).unwrap();
    let gateway = Gateway::in_folder(home, "").await;
    import(&gateway, &folder).await;
    let home = gateway.stop().await;
    std::fs::remove_dir_all(&data).unwrap();
    copy(&older, &data);
    let gateway = Gateway::in_folder(home, "").await;

    let restored = import(&gateway, &folder).await;

    // The copy has the same identity, so only its list of images shows what it lacks.
    assert_eq!(
        (&restored["added"], &restored["skipped"]),
        (&1.into(), &2.into())
    );
    assert_eq!(
        (&restored["lost"], &restored["journal_restarted"]),
        (&1.into(), &false.into())
    );
    assert_eq!(signs(&gateway).await.len(), 3);
}

#[tokio::test]
async fn the_journal_of_a_library_at_a_vendor_decides_alone_and_the_import_says_so() {
    let double = Double::start();
    double.store.lock().unwrap().is_rest = true;
    let folder = images(3, 100);
    samegate(&double, &["import", path(&folder)]).await;

    let people = samegate(&double, &["import", path(&folder)]).await;
    let programs = samegate(&double, &["import", path(&folder), "--json"]).await;

    assert_eq!(people.exit, Exit::Done, "{people:?}");
    assert!(
        people.err.contains("3 are skipped because the journal"),
        "{people:?}"
    );
    assert_eq!(programs.json_lines().last().unwrap()["verified"], false);
    assert_eq!(double.store.lock().unwrap().items_read, 3);
}

#[tokio::test]
async fn a_library_that_cannot_be_asked_fails_the_import_and_nothing_is_skipped() {
    let double = Double::start();
    let folder = images(3, 100);
    samegate(&double, &["import", path(&folder)]).await;
    double.store.lock().unwrap().library_error = Some(Status::permission_denied("not yours"));

    let ran = samegate(&double, &["import", path(&folder)]).await;

    assert_eq!(ran.exit, Exit::Failed);
    assert!(ran.err.contains("not yours"), "{ran:?}");
}

#[tokio::test]
async fn a_library_that_is_replaced_during_the_import_fails_it() {
    let double = Double::start();
    let folder = images(4, 100);
    double.store.lock().unwrap().acts = [Act::ReplaceAfter(2)].into();

    let first = samegate(&double, &["import", path(&folder)]).await;
    let second = samegate(&double, &["import", path(&folder)]).await;

    assert_eq!(first.exit, Exit::Failed, "{first:?}");
    assert!(
        first.err.contains("replaced during the import"),
        "{first:?}"
    );
    assert_eq!(second.exit, Exit::Done, "{second:?}");
    assert!(second.err.contains("new or was restored"), "{second:?}");
    assert_eq!(double.briefs(), all_briefs(&folder, 4));
    assert!(double.briefs().contains(&brief(&folder, 0)));
}

#[tokio::test]
async fn a_busy_library_is_asked_again() {
    let double = Double::start();
    let folder = images(2, 100);
    double.store.lock().unwrap().library_error = Some(Status::new(Code::ResourceExhausted, "busy"));

    let ran = samegate(&double, &["import", path(&folder)]).await;

    assert_eq!(ran.exit, Exit::Done, "{ran:?}");
    // Between a quarter and a half of a second.
    assert!(ran.err.contains("busy; retry in 0."), "{ran:?}");
}
