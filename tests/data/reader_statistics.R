# What lme4 says of the reading times of reader_statistics.json.
#
#     Rscript tests/data/reader_statistics.R > tests/data/reader_statistics_lme4.json      (R 4.2.2, lme4 1.1-31)

suppressPackageStartupMessages({library(lme4); library(jsonlite)})
sets <- fromJSON("tests/data/reader_statistics.json", simplifyVector = FALSE)$times
control <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5), check.conv.singular = "ignore")
found <- lapply(sets, function(set) {
  rows <- do.call(rbind, lapply(set$rows, function(r) data.frame(reader = factor(r[[1]]), mode = r[[2]], time = r[[3]])))
  rows$cell <- interaction(rows$reader, rows$mode)
  fit <- lmer(log(time) ~ mode + (1 | reader) + (1 | cell), rows, REML = TRUE, control = control)
  variances <- as.data.frame(VarCorr(fit))
  deviation <- function(name) variances$sdcor[variances$grp == name]
  list(name = unbox(set$name), beta = unbox(fixef(fit)[["mode"]]), intercept = unbox(fixef(fit)[["(Intercept)"]]),
       error = unbox(sqrt(vcov(fit)[2, 2])), reader = unbox(deviation("reader")), cell = unbox(deviation("cell")),
       residual = unbox(deviation("Residual")))
})
cat(toJSON(found, digits = 12), "\n")
