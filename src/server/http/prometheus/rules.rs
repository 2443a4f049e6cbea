//! `GET /api/v1/rules`: the groups of rules with what came of them.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::super::{App, Refusal};
use super::alerts;
use super::catalogue::read_matchers;
use super::envelope::small;
use super::failure::{bad_data, bad_parameter};
use super::form::Form;
use crate::model::{Labels, Matcher};
use crate::rules::file::RuleKind;
use crate::rules::{Group, Rfc3339Millis, Rule};

/// The time of what has never been.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// Which groups and rules are wanted.
struct Question<'f> {
    kind: Option<RuleKind>,
    shows_alerts: bool,
    names: HashSet<&'f str>,
    groups: HashSet<&'f str>,
    files: HashSet<&'f str>,
    matcher_sets: Vec<Vec<Matcher>>,
    /// Groups of a page; none for all.
    page: Option<usize>,
    /// Where the page begins.
    token: &'f str,
}

pub(super) async fn rules(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let form = app.form(request).await?;
    let question = Question::read(&app, &form)?;
    let groups = app.options.rules.as_ref().map(|rules| rules.groups()).unwrap_or_default();
    let mut shown: Vec<Value> = Vec::new();
    let mut next = None;
    let mut has_begun = question.page.is_none() || question.token.is_empty();
    for group in groups.iter() {
        has_begun |= token(group) == question.token;
        if !has_begun {
            continue;
        }
        let Some(group_shown) = question.show(group) else { continue };
        if question.page == Some(shown.len()) {
            next = Some(token(group));
            break;
        }
        shown.push(group_shown);
    }
    if !has_begun {
        let text = format!("invalid group_next_token '{}'. were rule groups changed?", question.token);
        return Err(bad_parameter("group_next_token", text));
    }
    let mut data = Map::new();
    data.insert("groups".to_owned(), shown.into());
    data.extend(next.map(|next| ("groupNextToken".to_owned(), next.into())));
    small(&data)
}

impl<'f> Question<'f> {
    fn read(app: &App, form: &'f Form) -> Result<Question<'f>, Refusal> {
        let kind = match form.value("type").to_lowercase().as_str() {
            "" => None,
            "alert" => Some(RuleKind::Alerting),
            "record" => Some(RuleKind::Recording),
            other => return Err(bad_parameter("type", format_args!("not supported value {other:?}"))),
        };
        let exclude = form.value("exclude_alerts").to_lowercase();
        let shows_alerts = match exclude.as_str() {
            "" | "0" | "f" | "false" => true,
            "1" | "t" | "true" => false,
            other => {
                let text = format!("strconv.ParseBool: parsing {other:?}: invalid syntax");
                return Err(bad_parameter("exclude_alerts", format_args!("error converting exclude_alerts: {text}")));
            }
        };
        let (limit, token) = (form.value("group_limit"), form.value("group_next_token"));
        if limit.is_empty() && !token.is_empty() {
            let text = "group_limit needs to be present in order to paginate over the groups";
            return Err(bad_parameter("group_next_token", text));
        }
        let page = match limit.parse::<i32>() {
            _ if limit.is_empty() => None,
            Ok(page @ 1..) => usize::try_from(page).ok(),
            Ok(_) => return Err(bad_parameter("group_limit", "group_limit needs to be greater than 0")),
            Err(_) => {
                let text = format!("strconv.ParseInt: parsing {limit:?}: invalid syntax");
                return Err(bad_parameter(
                    "group_limit",
                    format_args!("group_limit needs to be a valid number: {text}"),
                ));
            }
        };
        Ok(Question {
            kind,
            shows_alerts,
            names: form.values("rule_name[]").collect(),
            groups: form.values("rule_group[]").collect(),
            files: form.values("file[]").collect(),
            matcher_sets: read_matchers(app, form, bad_data)?,
            page,
            token,
        })
    }

    /// A group with those of its rules that are wanted; none if there is none.
    fn show(&self, group: &Group) -> Option<Value> {
        let spec = group.spec();
        let is_wanted = |set: &HashSet<&str>, name: &str| set.is_empty() || set.contains(name);
        if !is_wanted(&self.groups, &spec.name) || !is_wanted(&self.files, &spec.file) {
            return None;
        }
        let wanted = |rule: &&Rule| {
            let spec = rule.spec();
            let fits = |matcher: &Matcher| matcher.matches(spec.labels.get(matcher.name()).map_or("", |value| value));
            is_wanted(&self.names, &spec.name)
                && self.kind.is_none_or(|kind| kind == spec.kind)
                && (self.matcher_sets.is_empty() || self.matcher_sets.iter().any(|set| set.iter().all(fits)))
        };
        let rules: Vec<Value> = group.rules().iter().filter(wanted).map(|rule| self.show_rule(rule)).collect();
        if rules.is_empty() {
            return None;
        }
        let status = group.status();
        Some(json!({
            "name": spec.name,
            "file": spec.file,
            "interval": group.interval_ms() as f64 / 1000.0,
            "limit": spec.limit,
            "rules": rules,
            "evaluationTime": status.evaluation.as_secs_f64(),
            "lastEvaluation": time(status.evaluated_at_ms),
        }))
    }

    fn show_rule(&self, rule: &Rule) -> Value {
        let (spec, state) = (rule.spec(), rule.state());
        let labels: Map<String, Value> =
            spec.labels.iter().map(|(name, value)| (name.to_string(), value.to_string().into())).collect();
        let mut shown = json!({
            "name": spec.name,
            "query": spec.expr.to_string(),
            "labels": labels,
            "health": state.health.name(),
            "evaluationTime": state.evaluation.as_secs_f64(),
            "lastEvaluation": time(state.evaluated_at_ms),
            "type": if spec.kind == RuleKind::Alerting { "alerting" } else { "recording" },
        });
        let Value::Object(members) = &mut shown else { return shown };
        members.extend(state.last_error.as_ref().map(|error| ("lastError".to_owned(), error.as_str().into())));
        if spec.kind == RuleKind::Alerting {
            let alerts = match self.shows_alerts {
                true => state.active_alerts().map(alerts::show).collect(),
                false => Value::Null,
            };
            members.extend([
                ("state".to_owned(), state.alert_state().name().into()),
                ("duration".to_owned(), (spec.hold_ms as f64 / 1000.0).into()),
                ("keepFiringFor".to_owned(), (spec.keep_firing_ms as f64 / 1000.0).into()),
                ("annotations".to_owned(), alerts::object(&spec.annotations)),
                ("alerts".to_owned(), alerts),
            ]);
        }
        shown
    }
}

fn time(time_ms: Option<i64>) -> String {
    time_ms.map_or_else(|| NEVER.to_owned(), |time_ms| Rfc3339Millis(time_ms).to_string())
}

/// What tells a client where to go on: it means nothing to it.
fn token(group: &Group) -> String {
    let spec = group.spec();
    let pair = [("file", spec.file.as_str()), ("name", spec.name.as_str())];
    format!("{:016x}", Labels::from_pairs(pair).prometheus_hash())
}
