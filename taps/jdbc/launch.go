package jdbc

import (
	"archive/zip"
	"bytes"
	"context"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/proc"
)

//go:embed bridge/classes/*.class
var classes embed.FS

// cheap makes Java start and compile with little CPU and memory: a sync
// waits for a database, not for the machine code of its reader.
var cheap = []string{"-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData"}

// smallHeap is where the heap starts, unless the user says something of its
// size: Java's own choice is a part of the machine's memory, which it then fills.
const smallHeap = "-Xms32m"

// environment is what of ours the Java process sees; our own may hold secrets
// (invariant 10).
var environment = []string{"PATH", "HOME", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "LANG", "LC_ALL", "TZ", "USER", "LD_LIBRARY_PATH",
	"JAVA_HOME", "TNS_ADMIN", "ORACLE_HOME", "KRB5_CONFIG", "KRB5CCNAME"}

// launch starts Java with the driver's jars and waits until the bridge says
// hello. The process ends with ctx, with close, or with us.
func launch(ctx context.Context, s *settings) (*bridge, error) {
	java, err := findJava(s.Java)
	if err != nil {
		return nil, err
	}
	jar, err := writeJar()
	if err != nil {
		return nil, err
	}
	defer os.Remove(jar) // Java has it open, or is gone
	log := zerolog.Ctx(ctx)
	args := slices.Clone(cheap)
	if !slices.ContainsFunc(s.flags, func(f string) bool {
		return strings.HasPrefix(f, "-Xm") || strings.Contains(f, "HeapSize") || strings.Contains(f, "RAM")
	}) {
		args = append(args, smallHeap)
	}
	args = append(args, s.flags...)
	args = append(args, "-cp", strings.Join(append([]string{jar}, s.jars...), string(os.PathListSeparator)), "Bridge")
	var env []string
	for _, name := range environment {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	p, err := proc.Direct{}.Start(proc.Command{
		Name: "java", Path: java, Args: args, Env: env,
		Stderr: func(line []byte) { log.Info().Msgf("java: %s", s.hidden.String(string(line))) },
	})
	if err != nil {
		return nil, fault.Wrap(fault.BadConfig, err, "tap-jdbc: Java does not start").WithHint("set java to the java program of a JRE 8 or newer")
	}
	b := newBridge(ctx, p, s)
	frame, payload, err := b.next()
	if err != nil || frame != 'H' {
		b.close()
		return nil, b.tooOld(err)
	}
	b.java = strings.Join(texts(payload), " ")
	return b, nil
}

// findJava is the program named in the settings, that of JAVA_HOME, or the first on PATH.
func findJava(setting string) (string, error) {
	if setting != "" {
		path, err := exec.LookPath(setting)
		if err != nil {
			return "", fault.Wrap(fault.BadConfig, err, "tap-jdbc: the setting java names no program").
				WithHint("it is the path of the java program, as /usr/lib/jvm/default-java/bin/java")
		}
		return filepath.Abs(path)
	}
	if home := os.Getenv("JAVA_HOME"); home != "" {
		if path, err := exec.LookPath(filepath.Join(home, "bin", "java")); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath("java")
	if err != nil {
		return "", fault.New(fault.BadConfig, "tap-jdbc: there is no Java: JDBC drivers need it, but java is neither in JAVA_HOME nor on PATH").
			WithHint("install a JRE 8 or newer (Debian: apt-get install default-jre-headless; Alpine: apk add openjdk21-jre-headless), or set java to its path")
	}
	return filepath.Abs(path)
}

// writeJar puts the embedded classes into a temporary file.
func writeJar() (path string, err error) {
	f, err := os.CreateTemp("", "elt-jdbc-*.jar")
	if err != nil {
		return "", fmt.Errorf("write the Java classes: %w", err)
	}
	defer func() {
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	z := zip.NewWriter(f)
	names, err := fs.Glob(classes, "bridge/classes/*.class")
	if err != nil {
		return "", err
	}
	for _, name := range names {
		content, err := classes.ReadFile(name)
		if err != nil {
			return "", err
		}
		w, err := z.CreateHeader(&zip.FileHeader{Name: filepath.Base(name), Method: zip.Store})
		if err != nil {
			return "", err
		}
		if _, err := w.Write(content); err != nil {
			return "", err
		}
	}
	return f.Name(), z.Close()
}

// expand finds the jars that the setting driver_jars names: paths, folders, globs.
func expand(entries []string) ([]string, error) {
	var jars []string
	for _, entry := range entries {
		found := []string{entry}
		switch info, err := os.Stat(entry); {
		case err == nil && info.IsDir():
			found, _ = filepath.Glob(filepath.Join(entry, "*.jar"))
		case err != nil:
			if found, err = filepath.Glob(entry); err != nil || len(found) == 0 && strings.ContainsAny(entry, "*?[") {
				return nil, fault.New(fault.BadConfig, "tap-jdbc: driver_jars: no file matches %q", entry).WithHint("relative paths start at %s", here())
			}
		}
		if len(found) == 0 {
			_, err := os.Stat(entry)
			if err == nil {
				return nil, fault.New(fault.BadConfig, "tap-jdbc: driver_jars: the folder %q holds no .jar file", entry)
			}
			return nil, fault.Wrap(fault.BadConfig, err, "tap-jdbc: driver_jars: the driver's jar is not there").
				WithHint("drivers are not part of elt: get the jar from the database's vendor; relative paths start at %s", here())
		}
		for _, path := range found {
			path, err := filepath.Abs(path)
			if err != nil {
				return nil, err
			}
			if err := checkJar(path); err != nil {
				return nil, err
			}
			jars = append(jars, path)
		}
	}
	return jars, nil
}

func checkJar(path string) error {
	if strings.ContainsRune(path, os.PathListSeparator) {
		return fault.New(fault.BadConfig, "tap-jdbc: driver_jars: %q has a %q in its name, which separates paths in Java", path, os.PathListSeparator)
	}
	z, err := zip.OpenReader(path)
	if err != nil {
		return fault.Wrap(fault.BadConfig, err, "tap-jdbc: driver_jars: %q cannot be read as a jar", path).
			WithHint("a jar is a zip file; was the download cut off, or is it an error page?")
	}
	return z.Close()
}

// services are the classes that jars name as drivers, by jar.
func services(jars []string) string {
	var said []string
	for _, path := range jars {
		z, err := zip.OpenReader(path)
		if err != nil {
			continue // was checked before; it is gone since
		}
		names := driversOf(z)
		z.Close()
		if len(names) > 0 {
			said = append(said, fmt.Sprintf("%s has %s", filepath.Base(path), strings.Join(names, ", ")))
		} else {
			said = append(said, fmt.Sprintf("%s names none", filepath.Base(path)))
		}
	}
	return strings.Join(said, "; ")
}

func driversOf(z *zip.ReadCloser) []string {
	f, err := z.Open("META-INF/services/java.sql.Driver")
	if err != nil {
		return nil
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		return nil
	}
	var names []string
	for line := range bytes.Lines(text) {
		name, _, _ := strings.Cut(string(line), "#")
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

func here() string {
	dir, err := os.Getwd()
	if err != nil {
		return "the working directory"
	}
	return dir
}

// install says how to get a newer Java here.
func install() string {
	if runtime.GOOS == "linux" {
		return "install a newer JRE (Debian: apt-get install default-jre-headless), or set java to the path of one"
	}
	return "install a newer JRE, or set java to the path of one"
}
