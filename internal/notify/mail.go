package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"net/smtp"
	"strings"
	"time"

	"elt/internal/project"
)

// mail sends by SMTP: with STARTTLS, which the server must offer, unless the
// channel says otherwise.
type mail struct {
	project.Channel
	from *netmail.Address
	to   []*netmail.Address
	tls  *tls.Config
}

func newMail(c project.Channel, config *tls.Config) (mail, error) {
	m := mail{Channel: c, tls: config}
	var err error
	if m.from, err = netmail.ParseAddress(c.From); err != nil {
		return m, fmt.Errorf("%q is no mail address", c.From)
	}
	for _, text := range c.To {
		address, err := netmail.ParseAddress(text)
		if err != nil {
			return m, fmt.Errorf("%q is no mail address", text)
		}
		m.to = append(m.to, address)
	}
	return m, nil
}

func (m mail) Tell(ctx context.Context, msg Message) error {
	err := m.send(ctx, m.text(msg))
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("mail by %s: %w", m.Server, err)
	}
	return nil
}

func (m mail) send(ctx context.Context, text []byte) error {
	host, _, err := net.SplitHostPort(m.Server)
	if err != nil {
		return err
	}
	config := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if m.tls != nil {
		config = m.tls.Clone()
		config.ServerName = host
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", m.Server)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })
	defer stop()
	if m.TLS == "tls" {
		conn = tls.Client(conn, config)
	}
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return err
	}
	defer c.Close()
	if m.TLS == "" || m.TLS == "starttls" {
		if ok, _ := c.Extension("STARTTLS"); !ok {
			return errors.New("the server offers no STARTTLS; tls: none sends without encryption, tls: tls begins with it")
		}
		if err := c.StartTLS(config); err != nil {
			return err
		}
	}
	if m.User != "" {
		if err := c.Auth(m.auth(c, host)); err != nil {
			return err
		}
	}
	if err := c.Mail(m.from.Address); err != nil {
		return err
	}
	for _, to := range m.to {
		if err := c.Rcpt(to.Address); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = c.Quit() // the message is accepted already
	return nil
}

// auth is PLAIN, or LOGIN where the server knows nothing better; both refuse
// a connection without encryption to another machine.
func (m mail) auth(c *smtp.Client, host string) smtp.Auth {
	if _, methods := c.Extension("AUTH"); !strings.Contains(methods, "PLAIN") && strings.Contains(methods, "LOGIN") {
		return &login{user: m.User, password: m.Password}
	}
	return smtp.PlainAuth("", m.User, m.Password, host)
}

// login is the method LOGIN, which never became a standard and which many
// servers offer alone.
type login struct{ user, password string }

func (l *login) Start(s *smtp.ServerInfo) (string, []byte, error) {
	if !s.TLS && s.Name != "localhost" && s.Name != "127.0.0.1" {
		return "", nil, errors.New("unencrypted connection")
	}
	return "LOGIN", nil, nil
}

func (l *login) Next(asked []byte, more bool) ([]byte, error) {
	switch ask := strings.ToLower(string(asked)); {
	case !more:
		return nil, nil
	case strings.HasPrefix(ask, "user"):
		return []byte(l.user), nil
	case strings.HasPrefix(ask, "pass"):
		return []byte(l.password), nil
	}
	return nil, errors.New("the server asks for something unknown")
}

// text is the whole message with its headers.
func (m mail) text(msg Message) []byte {
	var to []string
	for _, a := range m.to {
		to = append(to, a.String())
	}
	_, domain, _ := strings.Cut(m.from.Address, "@")
	var b bytes.Buffer
	for _, h := range [][2]string{
		{"From", m.from.String()}, {"To", strings.Join(to, ", ")}, {"Subject", mime.QEncoding.Encode("utf-8", msg.Title())},
		{"Date", msg.At.Format(time.RFC1123Z)}, {"Message-ID", "<" + msg.ID + "@" + domain + ">"},
		{"Auto-Submitted", "auto-generated"}, {"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"}, {"Content-Transfer-Encoding", "quoted-printable"},
	} {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n")
	q := quotedprintable.NewWriter(&b)
	_, _ = io.WriteString(q, strings.ReplaceAll(msg.Text(), "\n", "\r\n")) // a buffer takes all
	_ = q.Close()
	return b.Bytes()
}
