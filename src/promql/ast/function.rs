//! The functions of the language: their names, what they take and what they give.

use super::ValueType;
use ValueType::{Matrix as M, Scalar as S, String as T, Vector as V};

/// What the language says about a function; [`functions`] lists all of them.
#[derive(Debug, PartialEq)]
pub struct Function {
    /// Which one it is.
    pub id: FunctionId,
    /// Its name in queries.
    pub name: &'static str,
    /// The types of its arguments; of a variadic function, the last may come several times or not at all.
    pub arg_types: &'static [ValueType],
    /// How many arguments of the last type there may be beyond all others: 0 for exactly `arg_types`, -1 for no limit.
    pub variadic: i32,
    /// What it gives.
    pub return_type: ValueType,
    /// Whether it has to be switched on.
    pub experimental: bool,
}

/// The function of that name.
pub fn find_function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.binary_search_by(|function| function.name.cmp(name)).ok().map(|at| &FUNCTIONS[at])
}

/// All functions, sorted by name.
pub fn functions() -> &'static [Function] {
    FUNCTIONS
}

macro_rules! functions {
    ($($id:ident, $name:literal, [$($arg:ident),*], $variadic:literal, $returns:ident, $stage:ident;)*) => {
        /// A function of the language.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum FunctionId {
            $(
                #[doc = concat!("`", $name, "`")]
                $id,
            )*
        }

        const FUNCTIONS: &[Function] = &[$(Function {
            id: FunctionId::$id,
            name: $name,
            arg_types: &[$($arg),*],
            variadic: $variadic,
            return_type: $returns,
            experimental: experimental!($stage),
        }),*];
    };
}

macro_rules! experimental {
    (experimental) => {
        true
    };
    (stable) => {
        false
    };
}

// M is a range vector, S a scalar, T a text, V an instant vector.
functions! {
    Abs, "abs", [V], 0, V, stable;
    Absent, "absent", [V], 0, V, stable;
    AbsentOverTime, "absent_over_time", [M], 0, V, stable;
    Acos, "acos", [V], 0, V, stable;
    Acosh, "acosh", [V], 0, V, stable;
    Asin, "asin", [V], 0, V, stable;
    Asinh, "asinh", [V], 0, V, stable;
    Atan, "atan", [V], 0, V, stable;
    Atanh, "atanh", [V], 0, V, stable;
    AvgOverTime, "avg_over_time", [M], 0, V, stable;
    Ceil, "ceil", [V], 0, V, stable;
    Changes, "changes", [M], 0, V, stable;
    Clamp, "clamp", [V, S, S], 0, V, stable;
    ClampMax, "clamp_max", [V, S], 0, V, stable;
    ClampMin, "clamp_min", [V, S], 0, V, stable;
    Cos, "cos", [V], 0, V, stable;
    Cosh, "cosh", [V], 0, V, stable;
    CountOverTime, "count_over_time", [M], 0, V, stable;
    DayOfMonth, "day_of_month", [V], 1, V, stable;
    DayOfWeek, "day_of_week", [V], 1, V, stable;
    DayOfYear, "day_of_year", [V], 1, V, stable;
    DaysInMonth, "days_in_month", [V], 1, V, stable;
    Deg, "deg", [V], 0, V, stable;
    Delta, "delta", [M], 0, V, stable;
    Deriv, "deriv", [M], 0, V, stable;
    DoubleExponentialSmoothing, "double_exponential_smoothing", [M, S, S], 0, V, experimental;
    End, "end", [], 0, S, experimental;
    Exp, "exp", [V], 0, V, stable;
    FirstOverTime, "first_over_time", [M], 0, V, stable;
    Floor, "floor", [V], 0, V, stable;
    HistogramAvg, "histogram_avg", [V], 0, V, stable;
    HistogramCount, "histogram_count", [V], 0, V, stable;
    HistogramFraction, "histogram_fraction", [S, S, V], 0, V, stable;
    HistogramQuantile, "histogram_quantile", [S, V], 0, V, stable;
    HistogramQuantiles, "histogram_quantiles", [V, T, S, S], 9, V, experimental;
    HistogramStddev, "histogram_stddev", [V], 0, V, stable;
    HistogramStdvar, "histogram_stdvar", [V], 0, V, stable;
    HistogramSum, "histogram_sum", [V], 0, V, stable;
    Hour, "hour", [V], 1, V, stable;
    Idelta, "idelta", [M], 0, V, stable;
    Increase, "increase", [M], 0, V, stable;
    Info, "info", [V, V], 1, V, experimental;
    Irate, "irate", [M], 0, V, stable;
    LabelJoin, "label_join", [V, T, T, T], -1, V, stable;
    LabelReplace, "label_replace", [V, T, T, T, T], 0, V, stable;
    LastOverTime, "last_over_time", [M], 0, V, stable;
    Ln, "ln", [V], 0, V, stable;
    Log10, "log10", [V], 0, V, stable;
    Log2, "log2", [V], 0, V, stable;
    MadOverTime, "mad_over_time", [M], 0, V, experimental;
    MaxOf, "max_of", [S, S], 0, S, experimental;
    MaxOverTime, "max_over_time", [M], 0, V, stable;
    MinOf, "min_of", [S, S], 0, S, experimental;
    MinOverTime, "min_over_time", [M], 0, V, stable;
    Minute, "minute", [V], 1, V, stable;
    Month, "month", [V], 1, V, stable;
    Pi, "pi", [], 0, S, stable;
    PredictLinear, "predict_linear", [M, S], 0, V, stable;
    PresentOverTime, "present_over_time", [M], 0, V, stable;
    QuantileOverTime, "quantile_over_time", [S, M], 0, V, stable;
    Rad, "rad", [V], 0, V, stable;
    Range, "range", [], 0, S, experimental;
    Rate, "rate", [M], 0, V, stable;
    Resets, "resets", [M], 0, V, stable;
    Round, "round", [V, S], 1, V, stable;
    Scalar, "scalar", [V], 0, S, stable;
    Sgn, "sgn", [V], 0, V, stable;
    Sin, "sin", [V], 0, V, stable;
    Sinh, "sinh", [V], 0, V, stable;
    Sort, "sort", [V], 0, V, stable;
    SortByLabel, "sort_by_label", [V, T], -1, V, experimental;
    SortByLabelDesc, "sort_by_label_desc", [V, T], -1, V, experimental;
    SortDesc, "sort_desc", [V], 0, V, stable;
    Sqrt, "sqrt", [V], 0, V, stable;
    Start, "start", [], 0, S, experimental;
    StartTimestamp, "start_timestamp", [V], 0, V, experimental;
    StddevOverTime, "stddev_over_time", [M], 0, V, stable;
    StdvarOverTime, "stdvar_over_time", [M], 0, V, stable;
    Step, "step", [], 0, S, experimental;
    SumOverTime, "sum_over_time", [M], 0, V, stable;
    Tan, "tan", [V], 0, V, stable;
    Tanh, "tanh", [V], 0, V, stable;
    Time, "time", [], 0, S, stable;
    Timestamp, "timestamp", [V], 0, V, stable;
    TsOfFirstOverTime, "ts_of_first_over_time", [M], 0, V, experimental;
    TsOfLastOverTime, "ts_of_last_over_time", [M], 0, V, experimental;
    TsOfMaxOverTime, "ts_of_max_over_time", [M], 0, V, experimental;
    TsOfMinOverTime, "ts_of_min_over_time", [M], 0, V, experimental;
    Vector, "vector", [S], 0, V, stable;
    Year, "year", [V], 1, V, stable;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_function_is_found() {
        assert!(FUNCTIONS.is_sorted_by(|a, b| a.name < b.name));
        for function in functions() {
            assert_eq!(find_function(function.name), Some(function));
        }
        assert_eq!(find_function("holt_winters"), None);
    }
}
