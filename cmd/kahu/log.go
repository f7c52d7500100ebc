package main

import (
	"github.com/go-logr/logr"
	"github.com/go-logr/zapr"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"k8s.io/klog/v2" //nolint:depguard // The libraries log with it: here it is pointed at our logger.
	ctrl "sigs.k8s.io/controller-runtime"
)

// newLogger returns a logger of lower-case facts with key-value pairs, for people on a terminal and for programs
// alike. Everything below it, the libraries too, logs through it.
func newLogger(name string, verbosity int) (logr.Logger, error) {
	config := zap.NewProductionConfig()
	config.Level = zap.NewAtomicLevelAt(zapcore.Level(-verbosity)) //nolint:gosec // A flag of a few steps.
	config.EncoderConfig.EncodeTime = zapcore.RFC3339TimeEncoder
	config.Encoding = "console"
	config.DisableStacktrace = true
	config.DisableCaller = true
	config.Sampling = nil
	backend, err := config.Build()
	if err != nil {
		return logr.Logger{}, err
	}
	logger := zapr.NewLogger(backend).WithName(name)
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)
	return logger, nil
}
