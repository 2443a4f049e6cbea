//! The section `rules`.

use std::time::Duration;

use crate::config::rules::{AlertmanagerEntry, RulesSection};
use crate::config::settings::{MainSettings, PrometheusSettings};
use crate::model::{Labels, METRIC_NAME};
use crate::promql;
use crate::rules::{AlertmanagerOptions, Credentials, NotifyOptions, Options, QueryOptions};

use super::remote_write::rule;
use super::{Notes, path_of, text_of};

const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

pub(super) fn resolve(
    section: RulesSection,
    main: &MainSettings,
    prometheus: &PrometheusSettings,
    notes: &mut Notes,
) -> Options {
    let default = Options::default();
    let mut duration = |key: &str, text: &Option<String>, default_ms: i64, min_ms: u64| {
        let default = Duration::from_millis(default_ms.unsigned_abs());
        let found = notes.duration(&format!("/rules/{key}"), text, default, Duration::from_millis(min_ms));
        i64::try_from(found.as_millis()).unwrap_or(i64::MAX)
    };
    let interval_ms = duration("evaluation-interval", &section.evaluation_interval, default.interval_ms, 10);
    let query_offset_ms = duration("query-offset", &section.query_offset, default.query_offset_ms, 0);
    let resend_ms = duration("resend-delay", &section.resend_delay, default.resend_ms, 1);
    let outage_tolerance_ms =
        duration("for-outage-tolerance", &section.for_outage_tolerance, default.outage_tolerance_ms, 0);
    let grace_ms = duration("for-grace-period", &section.for_grace_period, default.grace_ms, 0);
    for name in section.external_labels.keys().filter(|name| name.is_empty() || *name == METRIC_NAME) {
        notes.wrong("/rules/external-labels", name, "the name of a label");
    }
    let external_url = match text_of(&section.external_url) {
        Some(url) => {
            if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
                notes.wrong("/rules/external-url", url, "a URL like \"https://metrics.example.org\"");
            }
            url.trim_end_matches('/').to_owned()
        }
        None => own_url(main),
    };
    let relabel = section.alert_relabel_configs.into_iter().enumerate();
    let relabel = relabel
        .filter_map(|(index, entry)| rule(&format!("/rules/alert-relabel-configs/{index}"), entry, notes))
        .collect();
    let alertmanagers = section.alertmanagers.iter().enumerate();
    let alertmanagers = alertmanagers.map(|(index, entry)| alertmanager(index, entry, notes)).collect();
    Options {
        files: section.files,
        interval_ms,
        query_offset_ms,
        external_url,
        resend_ms,
        outage_tolerance_ms,
        grace_ms,
        evaluations_max: section.concurrency.unwrap_or(default.evaluations_max),
        query: query(prometheus),
        notify: NotifyOptions {
            alertmanagers,
            queue_max: section.alert_queue.unwrap_or(default.notify.queue_max),
            external_labels: Labels::from_pairs(section.external_labels),
            relabel,
        },
    }
}

/// The address that a browser on the same machine finds.
fn own_url(main: &MainSettings) -> String {
    let scheme = if main.https.is_some() { "https" } else { "http" };
    let (host, port) = main.addr.rsplit_once(':').unwrap_or((&main.addr, "8082"));
    let host = if matches!(host, "" | "0.0.0.0" | "[::]") { "localhost" } else { host };
    format!("{scheme}://{host}:{port}")
}

fn query(settings: &PrometheusSettings) -> QueryOptions {
    QueryOptions {
        evaluation: promql::Options {
            lookback_ms: settings.lookback_ms(),
            samples_max: settings.query_samples_max,
            delayed_name_removal: settings.delayed_name_removal,
            ..promql::Options::default()
        },
        parse: settings.parse_options(),
        timeout: settings.query_timeout,
    }
}

fn alertmanager(index: usize, entry: &AlertmanagerEntry, notes: &mut Notes) -> AlertmanagerOptions {
    let pointer = format!("/rules/alertmanagers/{index}");
    if !["http://", "https://"].iter().any(|scheme| entry.url.starts_with(scheme)) {
        // It may hold a password, so a bad one is not shown.
        notes.violation(&format!("{pointer}/url"), "no URL", "one like \"http://alertmanager:9093\"");
    }
    let user = text_of(&entry.username).map(str::to_owned);
    let credentials = match (user, text_of(&entry.password), path_of(&entry.password_file)) {
        (Some(user), Some(password), None) => Credentials::Basic(user, password.to_owned()),
        (Some(user), None, Some(file)) => Credentials::BasicFile(user, file),
        (None, None, None) => path_of(&entry.bearer_token_file).map_or(Credentials::None, Credentials::BearerFile),
        _ => {
            notes.violation(
                &pointer,
                "half a user",
                "username with one of password and password-file, or none of them",
            );
            Credentials::None
        }
    };
    if !matches!(credentials, Credentials::None | Credentials::BearerFile(_))
        && text_of(&entry.bearer_token_file).is_some()
    {
        notes.violation(&format!("{pointer}/bearer-token-file"), "it beside username", "one of them");
    }
    let (cert, key) = (format!("{pointer}/tls/cert-file"), format!("{pointer}/tls/key-file"));
    let client_files = notes.pair((&cert, &entry.tls.cert_file), (&key, &entry.tls.key_file));
    AlertmanagerOptions {
        url: entry.url.clone(),
        timeout: notes.duration(
            &format!("{pointer}/timeout"),
            &entry.timeout,
            TIMEOUT_DEFAULT,
            Duration::from_millis(1),
        ),
        credentials,
        ca_file: path_of(&entry.tls.ca_file),
        client_files,
    }
}
