//! Which function of a window a name stands for, and with which edges it can be used.

use super::ast::{FunctionId, RangeMode};
use super::error::QueryError;
use super::function::Call;
use super::window::Function;
use super::{extended, instant_rate, over_time, rate, regression, resets};

/// An error if the function cannot be used with these edges of the range.
pub fn check_mode(mode: RangeMode, call: &Call<'_>) -> Result<(), QueryError> {
    use FunctionId::{Changes, Delta, Increase, Rate, Resets};
    let (word, allowed, names) = match mode {
        RangeMode::Plain => return Ok(()),
        RangeMode::Anchored => (
            "anchored",
            matches!(call.id, Changes | Delta | Increase | Rate | Resets),
            "changes, delta, increase, rate, resets",
        ),
        RangeMode::Smoothed => ("smoothed", matches!(call.id, Delta | Increase | Rate), "delta, increase, rate"),
    };
    if allowed {
        return Ok(());
    }
    Err(QueryError::Execution(format!("{word} modifier can only be used with: {names} - not with {}", call.name)))
}

/// The function for windows of a mode.
pub fn function(id: FunctionId, mode: RangeMode) -> Result<Function, QueryError> {
    let plain = mode == RangeMode::Plain;
    Ok(match id {
        FunctionId::AbsentOverTime | FunctionId::PresentOverTime => over_time::present,
        FunctionId::AvgOverTime => over_time::avg,
        FunctionId::SumOverTime => over_time::sum,
        FunctionId::CountOverTime => over_time::count,
        FunctionId::MinOverTime => over_time::min,
        FunctionId::MaxOverTime => over_time::max,
        FunctionId::TsOfMinOverTime => over_time::time_of_min,
        FunctionId::TsOfMaxOverTime => over_time::time_of_max,
        FunctionId::FirstOverTime => over_time::first,
        FunctionId::LastOverTime => over_time::last,
        FunctionId::TsOfFirstOverTime => over_time::time_of_first,
        FunctionId::TsOfLastOverTime => over_time::time_of_last,
        FunctionId::MadOverTime => over_time::mad,
        FunctionId::QuantileOverTime => over_time::quantile,
        FunctionId::StddevOverTime => over_time::stddev,
        FunctionId::StdvarOverTime => over_time::stdvar,
        FunctionId::Rate if plain => rate::rate,
        FunctionId::Increase if plain => rate::increase,
        FunctionId::Delta if plain => rate::delta,
        FunctionId::Rate => extended::rate,
        FunctionId::Increase => extended::increase,
        FunctionId::Delta => extended::delta,
        FunctionId::Irate => instant_rate::irate,
        FunctionId::Idelta => instant_rate::idelta,
        FunctionId::Resets => resets::resets,
        FunctionId::Changes => resets::changes,
        FunctionId::Deriv => regression::deriv,
        FunctionId::PredictLinear => regression::predict_linear,
        FunctionId::DoubleExponentialSmoothing => regression::double_exponential_smoothing,
        _ => return Err(QueryError::execution("no function of a range")),
    })
}
