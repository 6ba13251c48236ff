package cli

import (
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
)

// startLog makes the log as --log-level asks. Messages of the log are constants; data goes into fields, which are
// escaped. No field ever holds a value from the files but the names of other files.
func (p *program) startLog(cmd *cobra.Command) error {
	level, err := zerolog.ParseLevel(p.global.LogLevel)
	if err != nil || level < zerolog.TraceLevel || level > zerolog.ErrorLevel {
		return misused(cmd, "The value of --log-level is wrong: write error, warn, info, debug or trace.")
	}
	p.log = zerolog.New(zerolog.ConsoleWriter{Out: p.err, NoColor: !p.errColor(), TimeFormat: time.TimeOnly}).
		Level(level).With().Timestamp().Logger()
	return nil
}
