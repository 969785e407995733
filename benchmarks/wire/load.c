/* AMQP 0-9-1 load generator.  Handshake/topology through librabbitmq, hot path
 * either raw (pre-encoded frames, batched send / in-place parse; default) or
 * through librabbitmq's own publish/consume (--lib).   See README.           */
#define _GNU_SOURCE
#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <amqp_framing.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef unsigned char u8;
static const char *host = "127.0.0.1", *user = "guest", *pass = "guest", *vhost = "/";
static const char *mode = "pub", *etype = "direct", *label = "";
static int port = 5672, K = 1, persistent = 0, W = 0, P = 0, autoack = 1, uselib = 0, keep = 0,
           nosetup = 0, rate = 1000, rkeys = 1, bindings = 0, brokerpid = 0, batch = 65536, jitter = 0, ackeach = 0, ids = 0,
           tables = 0, priorities = 0, expiration = 0, deadletter = 0;
static long N = 100000, S = 16;
static char xname[64];

static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec * 1e-9; }
static uint64_t nowns(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec; }
static double cpu_self(void) { struct rusage r; getrusage(RUSAGE_SELF, &r); return r.ru_utime.tv_sec + r.ru_stime.tv_sec + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1e-6; }
static double cpu_pid(int pid) {
  if (!pid) return 0;
  char p[64], b[2048]; snprintf(p, sizeof p, "/proc/%d/stat", pid);
  FILE *f = fopen(p, "r"); if (!f) return 0;
  size_t n = fread(b, 1, sizeof b - 1, f); b[n] = 0; fclose(f);
  char *s = strrchr(b, ')'); unsigned long ut = 0, st = 0;
  sscanf(s + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &ut, &st);
  return (ut + st) / (double)sysconf(_SC_CLK_TCK);
}
static void die(const char *m) { perror(m); exit(2); }
static void chk(amqp_rpc_reply_t r, const char *m) {
  if (r.reply_type == AMQP_RESPONSE_NORMAL) return;
  if (r.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) fprintf(stderr, "%s: %s\n", m, amqp_error_string2(r.library_error));
  else { fprintf(stderr, "%s: server exception", m);
    if (r.reply.id == AMQP_CHANNEL_CLOSE_METHOD) { amqp_channel_close_t *c = r.reply.decoded; fprintf(stderr, " %d %.*s", c->reply_code, (int)c->reply_text.len, (char *)c->reply_text.bytes); }
    fprintf(stderr, "\n"); }
  exit(2);
}

typedef struct { amqp_connection_state_t c; int fd; u8 *buf; size_t cap, off, len; } conn;
static conn dial(void) {
  conn x; memset(&x, 0, sizeof x);
  x.c = amqp_new_connection();
  amqp_socket_t *s = amqp_tcp_socket_new(x.c);
  if (amqp_socket_open(s, host, port)) { fprintf(stderr, "connect failed\n"); exit(3); }
  chk(amqp_login(x.c, vhost, 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, user, pass), "login");
  amqp_channel_open(x.c, 1); chk(amqp_get_rpc_reply(x.c), "channel.open");
  x.fd = amqp_get_sockfd(x.c); int one = 1; setsockopt(x.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(x.fd, F_SETFL, fcntl(x.fd, F_GETFL) & ~O_NONBLOCK); /* the library left it non-blocking */
  x.cap = 1 << 20; x.buf = malloc(x.cap);
  return x;
}
static void hangup(conn *x) { amqp_connection_close(x->c, 200); amqp_destroy_connection(x->c); free(x->buf); }
static char *qname(int i) { static char b[64]; snprintf(b, sizeof b, "perf.q.%s.%d%s", etype, i, persistent ? ".d" : ""); return b; }
static void rkey(char *b, int r) {
  if (!strcmp(etype, "topic")) sprintf(b, "perf.k%d.x", r); else strcpy(b, "perf.key");
}
static void setup(conn *x) {
  snprintf(xname, sizeof xname, "perf.x.%s%s", etype, persistent ? ".d" : "");
  if (nosetup) return;
  amqp_exchange_declare(x->c, 1, amqp_cstring_bytes(xname), amqp_cstring_bytes(etype), 0, persistent, 0, 0, amqp_empty_table);
  chk(amqp_get_rpc_reply(x->c), "exchange.declare");
  for (int i = 0; i < K; i++) {
    amqp_table_entry_t en[3]; amqp_table_t args = {0, en};
    if (priorities) { en[args.num_entries].key = amqp_cstring_bytes("x-max-priority"); en[args.num_entries].value.kind = AMQP_FIELD_KIND_I32; en[args.num_entries++].value.value.i32 = priorities; }
    if (deadletter) {
      en[0].key = amqp_cstring_bytes("x-message-ttl"); en[0].value.kind = AMQP_FIELD_KIND_I32; en[0].value.value.i32 = 0;
      en[1].key = amqp_cstring_bytes("x-dead-letter-exchange"); en[1].value.kind = AMQP_FIELD_KIND_UTF8; en[1].value.value.bytes = amqp_cstring_bytes("");
      en[2].key = amqp_cstring_bytes("x-dead-letter-routing-key"); en[2].value.kind = AMQP_FIELD_KIND_UTF8; en[2].value.value.bytes = amqp_cstring_bytes("perf.dead"); args.num_entries = 3;
      amqp_queue_declare(x->c, 1, amqp_cstring_bytes("perf.dead"), 0, persistent, 0, 0, amqp_empty_table); chk(amqp_get_rpc_reply(x->c), "queue.declare"); }
    amqp_queue_declare(x->c, 1, amqp_cstring_bytes(qname(i)), 0, persistent, 0, 0, args); chk(amqp_get_rpc_reply(x->c), "queue.declare");
    amqp_queue_purge(x->c, 1, amqp_cstring_bytes(qname(i))); chk(amqp_get_rpc_reply(x->c), "purge");
    amqp_queue_bind(x->c, 1, amqp_cstring_bytes(qname(i)), amqp_cstring_bytes(xname),
                    amqp_cstring_bytes(!strcmp(etype, "topic") ? "perf.*.#" : "perf.key"), amqp_empty_table);
    chk(amqp_get_rpc_reply(x->c), "bind");
  }
  for (int b = 0; b < bindings; b++) { char k[64]; sprintf(k, "other.%d.*", b);
    amqp_queue_bind(x->c, 1, amqp_cstring_bytes(qname(0)), amqp_cstring_bytes(xname), amqp_cstring_bytes(k), amqp_empty_table); chk(amqp_get_rpc_reply(x->c), "bind"); }
}
static void teardown(conn *x) {
  if (keep) return;
  for (int i = 0; i < K; i++) { amqp_queue_delete(x->c, 1, amqp_cstring_bytes(qname(i)), 0, 0); chk(amqp_get_rpc_reply(x->c), "queue.delete"); }
  if (deadletter) { amqp_queue_delete(x->c, 1, amqp_cstring_bytes("perf.dead"), 0, 0); chk(amqp_get_rpc_reply(x->c), "queue.delete"); }
  amqp_exchange_delete(x->c, 1, amqp_cstring_bytes(xname), 0); chk(amqp_get_rpc_reply(x->c), "exchange.delete");
}

/* ---- raw encoding ---- */
static u8 *p16(u8 *p, unsigned v) { *p++ = v >> 8; *p++ = v; return p; }
static u8 *p32(u8 *p, uint32_t v) { p = p16(p, v >> 16); return p16(p, v & 0xffff); }
static u8 *p64(u8 *p, uint64_t v) { p = p32(p, v >> 32); return p32(p, (uint32_t)v); }
static u8 *pss(u8 *p, const char *s) { size_t n = strlen(s); *p++ = n; memcpy(p, s, n); return p + n; }
static uint32_t g32(const u8 *p) { return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]; }
static uint64_t g64(const u8 *p) { return (uint64_t)g32(p) << 32 | g32(p + 4); }
/* what is different in every message: 16 hexadecimal digits in message ids and in a header */
static uint64_t serial;
static size_t id_at, trace_at;
static void put_serial(u8 *p) { for (int i = 0; i < 16; i++) p[i] = "0123456789abcdef"[serial >> (60 - i * 4) & 15]; }
static void stamp(u8 *o, size_t id, size_t trace) { serial++; if (ids) put_serial(o + id); if (tables) put_serial(o + trace); }
static u8 *pls(u8 *p, const char *s) { size_t n = strlen(s); p = p32(p, n); memcpy(p, s, n); return p + n; }
/* one whole publish: returns length; *body gets the offset of the first body byte */
static int nth;
static size_t enc_publish(u8 *o, const char *x, const char *rk, long size, size_t *body) {
  u8 *p = o, *sz;
  *p++ = 1; p = p16(p, 1); sz = p; p += 4; p = p16(p, 60); p = p16(p, 40); p = p16(p, 0); p = pss(p, x); p = pss(p, rk); *p++ = 0;
  p32(sz, p - sz - 4); *p++ = 0xCE;
  *p++ = 2; p = p16(p, 1); sz = p; p += 4; p = p16(p, 60); p = p16(p, 0); p = p64(p, size); 
  p = p16(p, 0x1000 | (tables ? 0xA000 : 0) | (priorities ? 0x0800 : 0) | (expiration ? 0x0100 : 0) | (ids ? 0x0080 : 0));
  if (tables) { p = pss(p, "application/json"); u8 *t = p; p += 4;
    p = pss(p, "tenant"); *p++ = 'S'; p = pls(p, "acme"); p = pss(p, "attempt"); *p++ = 'I'; p = p32(p, nth % 3); p = pss(p, "trace"); *p++ = 'S'; p = pls(p, "0123456789abcdef"); trace_at = p - o - 16; p32(t, p - t - 4); }
  *p++ = persistent ? 2 : 1; if (priorities) *p++ = nth % priorities;
  if (expiration) { char e[16]; sprintf(e, "%d", expiration); p = pss(p, e); }
  if (ids) { p = pss(p, "7c9e6679-7425-40de-944b-0123456789abcdef"); id_at = p - o - 16; }
  nth++;
  p32(sz, p - sz - 4); *p++ = 0xCE;
  long left = size; *body = p + 7 - o;
  while (left > 0) { long n = left > 131072 - 8 ? 131072 - 8 : left;
    *p++ = 3; p = p16(p, 1); p = p32(p, n); memset(p, 'x', n); p += n; *p++ = 0xCE; left -= n; }
  return p - o;
}
static void sendall(int fd, const u8 *b, size_t n) {
  while (n) { ssize_t r = send(fd, b, n, MSG_NOSIGNAL); if (r < 0) { if (errno == EINTR) continue; die("send"); } b += r; n -= r; }
}
static void fill(conn *x, int flags) {                /* one recv into the buffer; blocks unless MSG_DONTWAIT */
  if (x->off == x->len) x->off = x->len = 0;
  else if (x->cap - x->len < 262144) { memmove(x->buf, x->buf + x->off, x->len - x->off); x->len -= x->off; x->off = 0; }
  ssize_t r = recv(x->fd, x->buf + x->len, x->cap - x->len > 262144 ? 262144 : x->cap - x->len, flags);
  if (r < 0) { if (errno == EAGAIN || errno == EINTR) return; die("recv"); }
  if (r == 0) { fprintf(stderr, "peer closed\n"); exit(2); }
  x->len += r;
}
/* events */
typedef struct { uint64_t acked; long msgs; uint64_t tag; long bodyleft; int inmsg; const u8 *body; int consumeok; long returned, nacked; } ev;
/* parse everything buffered; per complete message call cb (may be NULL) */
static void parse(conn *x, ev *e, void (*cb)(const u8 *body, void *), void *arg) {
  for (;;) {
    size_t av = x->len - x->off; if (av < 8) return;
    u8 *p = x->buf + x->off; uint32_t sz = g32(p + 3); if (av < sz + 8) return;
    if (p[sz + 7] != 0xCE) { fprintf(stderr, "bad frame end\n"); exit(2); }
    u8 *q = p + 7;
    if (p[0] == 1) { uint32_t m = g32(q);
      if (m == (60u << 16 | 80)) { uint64_t t = g64(q + 4); if (q[12] & 1) { if (t > e->acked) e->acked = t; } else e->acked++;
        /* mixed single/multiple acks: track count by assuming in-order; corrected below by max tag */
        if (t > e->tag) e->tag = t; }
      else if (m == (60u << 16 | 120)) e->nacked++;
      else if (m == (60u << 16 | 60)) { u8 *r = q + 4; r += 1 + *r; e->tag = g64(r); e->inmsg = 1; }
      else if (m == (60u << 16 | 21)) e->consumeok++;
      else if (m == (60u << 16 | 50)) e->returned++;
      else if ((m >> 16) == 10 && (m & 0xffff) == 50) { fprintf(stderr, "connection.close %u %.*s\n", q[4] << 8 | q[5], q[6], q + 7); exit(2); }
      else if ((m >> 16) == 20 && (m & 0xffff) == 40) { fprintf(stderr, "channel.close %u %.*s\n", q[4] << 8 | q[5], q[6], q + 7); exit(2); }
    } else if (p[0] == 2) { e->bodyleft = g64(q + 4); e->body = NULL; if (!e->bodyleft) { e->msgs++; if (cb) cb(NULL, arg); } }
    else if (p[0] == 3) { if (cb && sz >= 16) e->body = q; e->bodyleft -= sz; if (e->bodyleft <= 0) { e->msgs++; if (cb) cb(q, arg); } }
    x->off += sz + 8;
  }
}
static void raw_consume(conn *x, const char *q, int noack) {
  u8 b[256], *p = b, *sz; *p++ = 1; p = p16(p, 1); sz = p; p += 4; p = p16(p, 60); p = p16(p, 20); p = p16(p, 0); p = pss(p, q); p = pss(p, q); *p++ = noack ? 2 : 0; p = p32(p, 0);
  p32(sz, p - sz - 4); *p++ = 0xCE; sendall(x->fd, b, p - b);
}
static void raw_ack(conn *x, uint64_t tag) { u8 b[32], *p = b; *p++ = 1; p = p16(p, 1); p = p32(p, 13); p = p16(p, 60); p = p16(p, 80); p = p64(p, tag); *p++ = 1; *p++ = 0xCE; sendall(x->fd, b, p - b); }

/* ---- publisher ---- */
static double t_pub_done;
static void out(double secs, long n, double gcpu, double bcpu, const char *extra);
static void publish_all(conn *x, long n, int w) {
  char rk[64];
  if (uselib) {
    amqp_basic_properties_t pr; memset(&pr, 0, sizeof pr); pr._flags = AMQP_BASIC_DELIVERY_MODE_FLAG; pr.delivery_mode = persistent ? 2 : 1;
    u8 *b = malloc(S + 1); memset(b, 'x', S); amqp_bytes_t body = {S, b}; ev e; memset(&e, 0, sizeof e);
    for (long i = 0; i < n; i++) { rkey(rk, i % rkeys);
      if (amqp_basic_publish(x->c, 1, amqp_cstring_bytes(xname), amqp_cstring_bytes(rk), 0, 0, &pr, body)) { fprintf(stderr, "publish failed\n"); exit(2); }
      if (w) { fill(x, MSG_DONTWAIT); parse(x, &e, NULL, NULL); while ((long)(i + 1 - (long)e.tag) >= w) { fill(x, 0); parse(x, &e, NULL, NULL); } } }
    while (w && (long)e.tag < n) { fill(x, 0); parse(x, &e, NULL, NULL); }
    free(b); t_pub_done = now(); return;
  }
  size_t bo, one; u8 *t = malloc(S + S / 60000 * 8 + 1024); rkey(rk, rkeys - 1); one = enc_publish(t, xname, rk, S, &bo);
  long per = batch / one; if (per < 1) per = 1; if (w && per > w) per = w;
  /* a ring image of >= per messages cycling through the routing keys; small keys only */
  long cyc = rkeys > 1 ? (long)rkeys : jitter ? 64 : 1, img = per + cyc; size_t *offs = malloc((img + 1) * sizeof *offs), *at = malloc(2 * img * sizeof *at), cap = (one + jitter + 32) * img; u8 *im = malloc(cap); size_t o = 0;
  for (long i = 0; i < img; i++) { offs[i] = o; rkey(rk, rkeys > 1 ? i % cyc : 0); o += enc_publish(im + o, xname, rk, S + (jitter ? (i % cyc) * 37 % (jitter + 1) : 0), &bo); at[2 * i] = id_at; at[2 * i + 1] = trace_at; } offs[img] = o;
  ev e; memset(&e, 0, sizeof e); long sent = 0;
  while (sent < n || (w && (long)(e.tag) < n)) {
    long can = n - sent; if (can > per) can = per; if (w && can > w - (sent - (long)e.tag)) can = w - (sent - (long)e.tag);
    if (can > 0) { long s = sent % cyc; if (ids || tables) for (long i = s; i < s + can; i++) stamp(im + offs[i], at[2 * i], at[2 * i + 1]);
      sendall(x->fd, im + offs[s], offs[s + can] - offs[s]); sent += can; }
    if (w) { fill(x, (sent - (long)e.tag >= w || sent == n) ? 0 : MSG_DONTWAIT); parse(x, &e, NULL, NULL); }
  }
  if (e.nacked) fprintf(stderr, "nacked %ld\n", e.nacked);
  t_pub_done = now(); free(t); free(im); free(offs); free(at);
}
/* ---- consumer ---- */
static uint64_t *lat; static long nlat;
static void on_lat(const u8 *body, void *a) { (void)a; uint64_t ts; if (!body) return; memcpy(&ts, body, 8); lat[nlat++] = nowns() - ts; }
static void start_consume(conn *x, ev *e) {
  if (P && !autoack) { amqp_basic_qos(x->c, 1, 0, P, 0); chk(amqp_get_rpc_reply(x->c), "qos"); }
  memset(e, 0, sizeof *e);
  if (uselib) { for (int i = 0; i < K; i++) { amqp_basic_consume(x->c, 1, amqp_cstring_bytes(qname(i)), amqp_cstring_bytes(qname(i)), 0, autoack, 0, amqp_empty_table); chk(amqp_get_rpc_reply(x->c), "consume"); } return; }
  for (int i = 0; i < K; i++) raw_consume(x, deadletter ? "perf.dead" : qname(i), autoack);
  while (e->consumeok < K) { fill(x, 0); parse(x, e, NULL, NULL); }
}
static double t_first, t_last;
static void consume_all(conn *x, ev *e, long n, void (*cb)(const u8 *, void *)) {
  long acked = 0, every = P > 1 ? P / 2 : 1; if (!P) every = 100;
  if (uselib) { amqp_envelope_t env; for (long i = 0; i < n; i++) { amqp_maybe_release_buffers(x->c); amqp_rpc_reply_t r = amqp_consume_message(x->c, &env, NULL, 0); chk(r, "consume_message");
      if (!i) t_first = now(); uint64_t tag = env.delivery_tag; amqp_destroy_envelope(&env); if (!autoack && (i + 1 - acked >= every || i + 1 == n)) { amqp_basic_ack(x->c, 1, tag, 1); acked = i + 1; } } t_last = now(); return; }
  if (e->msgs) t_first = now();
  for (;;) {
    if (ackeach && !autoack && e->msgs > acked) { /* one single ack per message, one send per recv */
      u8 b[65536], *p = b; while (acked < e->msgs) { acked++; *p++ = 1; p = p16(p, 1); p = p32(p, 13); p = p16(p, 60); p = p16(p, 80); p = p64(p, acked); *p++ = 0; *p++ = 0xCE; if (p - b > 65000) { sendall(x->fd, b, p - b); p = b; } } if (p > b) sendall(x->fd, b, p - b); }
    if (!autoack && (e->msgs - acked >= every || (e->msgs >= n && acked < e->msgs))) { raw_ack(x, e->tag); acked = e->msgs; }
    if (e->msgs >= n) break;
    int first = !e->msgs; fill(x, 0); parse(x, e, cb, NULL); if (first && e->msgs) t_first = now();
  }
  t_last = now();
}
static int cmp64(const void *a, const void *b) { uint64_t x = *(uint64_t *)a, y = *(uint64_t *)b; return x < y ? -1 : x > y; }
static void pct(char *o) { qsort(lat, nlat, 8, cmp64); if (!nlat) { *o = 0; return; }
  sprintf(o, "\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f", lat[nlat / 2] / 1e3, lat[nlat * 9 / 10] / 1e3, lat[nlat * 99 / 100] / 1e3, lat[nlat * 999 / 1000] / 1e3, lat[nlat - 1] / 1e3); }
static long qlen(conn *x, int i) { amqp_queue_declare_ok_t *r = amqp_queue_declare(x->c, 1, amqp_cstring_bytes(qname(i)), 1, persistent, 0, 0, amqp_empty_table); chk(amqp_get_rpc_reply(x->c), "declare passive"); return r->message_count; }
static void out(double secs, long n, double gcpu, double bcpu, const char *extra) {
  printf("{\"label\":\"%s\",\"mode\":\"%s\",\"type\":\"%s\",\"k\":%d,\"size\":%ld,\"persistent\":%d,\"n\":%ld,\"w\":%d,\"prefetch\":%d,\"lib\":%d,\"secs\":%.4f,\"rate\":%.0f,\"gen_cpu\":%.3f,\"broker_cpu\":%.3f,\"broker_cpu_per_M\":%.2f%s%s}\n",
         label, mode, etype, K, S, persistent, n, W, autoack ? 0 : P, uselib, secs, n / secs, gcpu, bcpu, bcpu / n * 1e6, *extra ? "," : "", extra);
  fflush(stdout);
}
/* K connections, each with a queue of its own to which it publishes `rate` messages a second, evenly, and which it consumes */
static void many(void) {
  conn *xs = malloc(K * sizeof *xs); ev *es = calloc(K, sizeof *es); struct epoll_event e = {EPOLLIN, {0}}, got[256]; int ep = epoll_create1(0); char q[64]; size_t bo; u8 *t = malloc(S + 2048);
  for (int i = 0; i < K; i++) { xs[i] = dial(); free(xs[i].buf); xs[i].cap = 1 << 19; xs[i].buf = malloc(xs[i].cap); snprintf(q, sizeof q, "perf.many.%d", i);
    amqp_queue_declare(xs[i].c, 1, amqp_cstring_bytes(q), 0, 0, 1, 0, amqp_empty_table); chk(amqp_get_rpc_reply(xs[i].c), "queue.declare");
    raw_consume(&xs[i], q, 1); while (!es[i].consumeok) { fill(&xs[i], 0); parse(&xs[i], &es[i], NULL, NULL); } e.data.u32 = i; if (epoll_ctl(ep, EPOLL_CTL_ADD, xs[i].fd, &e)) die("epoll_ctl"); }
  lat = malloc(8 * (N + 1)); long sent = 0; uint64_t gap = 1000000000ull / ((uint64_t)rate * K); double b0 = cpu_pid(brokerpid), g0 = cpu_self(), t0 = now(); uint64_t start = nowns();
  while (nlat < N) {
    while (sent < N && nowns() >= start + sent * gap) { int i = sent % K; snprintf(q, sizeof q, "perf.many.%d", i); size_t one = enc_publish(t, "", q, S, &bo); uint64_t v = nowns(); memcpy(t + bo, &v, 8); sendall(xs[i].fd, t, one); sent++; }
    int n = epoll_wait(ep, got, 256, 1);
    for (int k = 0; k < n; k++) { int i = got[k].data.u32; fill(&xs[i], MSG_DONTWAIT); parse(&xs[i], &es[i], on_lat, NULL); }
  }
  double t1 = now(), g1 = cpu_self(), b1 = cpu_pid(brokerpid); char extra[512] = ""; pct(extra); out(t1 - t0, N, g1 - g0, b1 - b0, extra);
}
int main(int ac, char **av) {
  static struct option lo[] = {{"host", 1, 0, 'h'}, {"port", 1, 0, 'p'}, {"mode", 1, 0, 'm'}, {"type", 1, 0, 't'}, {"k", 1, 0, 'k'}, {"size", 1, 0, 's'}, {"n", 1, 0, 'n'},
    {"persistent", 0, 0, 'd'}, {"window", 1, 0, 'w'}, {"prefetch", 1, 0, 'P'}, {"lib", 0, 0, 'l'}, {"keep", 0, 0, 'K'}, {"nosetup", 0, 0, 'N'}, {"rate", 1, 0, 'r'}, {"rkeys", 1, 0, 'R'},
    {"bindings", 1, 0, 'B'}, {"broker-pid", 1, 0, 'b'}, {"batch", 1, 0, 'T'}, {"label", 1, 0, 'L'}, {"jitter", 1, 0, 'J'}, {"ack-each", 0, 0, 'A'},
    {"ids", 0, 0, 'I'}, {"tables", 0, 0, 'H'}, {"priorities", 1, 0, 'q'}, {"expiration", 1, 0, 'x'}, {"dead-letter", 0, 0, 'X'}, {0, 0, 0, 0}};
  int c; while ((c = getopt_long(ac, av, "h:p:m:t:k:s:n:dw:P:lKNr:R:B:b:T:L:J:AIHq:x:X", lo, 0)) != -1) switch (c) {
    case 'h': host = optarg; break; case 'p': port = atoi(optarg); break; case 'm': mode = optarg; break; case 't': etype = optarg; break; case 'k': K = atoi(optarg); break;
    case 's': S = atol(optarg); break; case 'n': N = atol(optarg); break; case 'd': persistent = 1; break; case 'w': W = atoi(optarg); break; case 'P': P = atoi(optarg); autoack = 0; break;
    case 'l': uselib = 1; break; case 'K': keep = 1; break; case 'N': nosetup = 1; break; case 'r': rate = atoi(optarg); break; case 'R': rkeys = atoi(optarg); break; case 'B': bindings = atoi(optarg); break;
    case 'b': brokerpid = atoi(optarg); break; case 'T': batch = atoi(optarg); break; case 'L': label = optarg; break; case 'J': jitter = atoi(optarg); break; case 'A': ackeach = 1; break;
    case 'I': ids = 1; break; case 'H': tables = 1; break; case 'q': priorities = atoi(optarg); break; case 'x': expiration = atoi(optarg); break; case 'X': deadletter = 1; break; default: fprintf(stderr, "see README\n"); return 2; }
  if (!strcmp(mode, "many")) { many(); return 0; }
  conn x = dial(); setup(&x);
  char extra[512] = ""; double b0, b1, t0, g0;
  if (!strcmp(mode, "pub")) {                         /* (a)/(b): publish; the closing passive declare is the barrier */
    if (W) { amqp_confirm_select(x.c, 1); chk(amqp_get_rpc_reply(x.c), "confirm.select"); }
    b0 = cpu_pid(brokerpid); g0 = cpu_self(); t0 = now(); publish_all(&x, N, W); long q; double tb = now(); while ((q = qlen(&x, K - 1)) < N && now() - tb < 60) usleep(2000); double t1 = now(); double g1 = cpu_self(); b1 = cpu_pid(brokerpid);
    sprintf(extra, "\"pub_secs\":%.4f,\"qlen\":%ld", t_pub_done - t0, q); out(t1 - t0, N, g1 - g0, b1 - b0, extra);
  } else if (!strcmp(mode, "con")) {                  /* (c): prefill then drain (prefill not timed) */
    if (!nosetup) { publish_all(&x, N, 0); long q; double tb = now(); while ((q = qlen(&x, K - 1)) < N && now() - tb < 60) usleep(5000); if (q != N) fprintf(stderr, "warning: prefilled %ld of %ld\n", q, N); usleep(300000); }
    conn y = dial(); ev e; b0 = cpu_pid(brokerpid); g0 = cpu_self(); t0 = now(); start_consume(&y, &e); consume_all(&y, &e, N * K, NULL); double g1 = cpu_self(); b1 = cpu_pid(brokerpid);
    out(t_last - t0, N * K, g1 - g0, b1 - b0, ""); close(y.fd);
  } else if (!strcmp(mode, "e2e") || !strcmp(mode, "lat")) {
    int up[2], dn[2]; if (pipe(up) || pipe(dn)) die("pipe"); pid_t ch = fork();
    if (!ch) { conn y = dial(); ev e; start_consume(&y, &e); if (write(up[1], "r", 1) != 1) die("w"); double a = cpu_self(); int l = !strcmp(mode, "lat"); if (l) lat = malloc(8 * N * K);
      consume_all(&y, &e, N * K, l ? on_lat : NULL); double r[2] = {t_last, cpu_self() - a}; if (write(up[1], r, sizeof r) != sizeof r) die("w");
      if (l) { pct(extra); if (write(up[1], extra, sizeof extra) < 0) die("w"); } char z; if (read(dn[0], &z, 1)) {} ; _exit(0); }
    char z; if (read(up[0], &z, 1) != 1) die("child"); if (W) { amqp_confirm_select(x.c, 1); chk(amqp_get_rpc_reply(x.c), "confirm.select"); }
    b0 = cpu_pid(brokerpid); g0 = cpu_self(); t0 = now();
    if (mode[0] == 'e') publish_all(&x, N, W);
    else { char rk[64]; size_t bo; u8 *t = malloc(S + 2048); rkey(rk, 0); size_t one = enc_publish(t, xname, rk, S, &bo); struct timespec ts; clock_gettime(CLOCK_MONOTONIC, &ts); ev e; memset(&e, 0, sizeof e);
      for (long i = 0; i < N; i++) { ts.tv_nsec += 1000000000L / rate; if (ts.tv_nsec >= 1000000000L) { ts.tv_nsec -= 1000000000L; ts.tv_sec++; } clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
        uint64_t v = nowns(); memcpy(t + bo, &v, 8); sendall(x.fd, t, one); if (W) { fill(&x, MSG_DONTWAIT); parse(&x, &e, NULL, NULL); } }
      t_pub_done = now(); }
    double gp = cpu_self() - g0, r[2]; if (read(up[0], r, sizeof r) != sizeof r) die("child result"); b1 = cpu_pid(brokerpid);
    if (mode[0] == 'l') { if (read(up[0], extra, sizeof extra) < 0) die("r"); } else sprintf(extra, "\"pub_secs\":%.4f,\"pub_cpu\":%.3f,\"con_cpu\":%.3f", t_pub_done - t0, gp, r[1]);
    out(r[0] - t0, N * K, gp + r[1], b1 - b0, extra); if (write(dn[1], "q", 1) < 0) die("w"); waitpid(ch, 0, 0);
  } else if (!strcmp(mode, "rpc")) {                  /* (e) 1-in-flight request -> echo process -> reply */
    K = 2; setup(&x); int up[2]; if (pipe(up)) die("pipe"); autoack = 1; char q0[64], q1[64]; strcpy(q0, qname(0)); strcpy(q1, qname(1)); size_t bo; u8 *t = malloc(S + 2048);
    pid_t ch = fork(); long tot = N + 200;
    if (!ch) { conn y = dial(); ev e; memset(&e, 0, sizeof e); raw_consume(&y, q0, 1); while (!e.consumeok) { fill(&y, 0); parse(&y, &e, NULL, NULL); } if (write(up[1], "r", 1) != 1) die("w"); size_t one = enc_publish(t, "", q1, S, &bo);
      for (long i = 0; i < tot; i++) { while (e.msgs <= i) { fill(&y, 0); parse(&y, &e, NULL, NULL); } sendall(y.fd, t, one); } usleep(200000); _exit(0); }
    char z; if (read(up[0], &z, 1) != 1) die("child"); conn y = dial(); ev e; memset(&e, 0, sizeof e); raw_consume(&y, q1, 1); while (!e.consumeok) { fill(&y, 0); parse(&y, &e, NULL, NULL); }
    size_t one = enc_publish(t, "", q0, S, &bo); lat = malloc(8 * (tot + 1)); b0 = cpu_pid(brokerpid); g0 = cpu_self(); t0 = now();
    for (long i = 0; i < tot; i++) { if (i == 200) { b0 = cpu_pid(brokerpid); g0 = cpu_self(); t0 = now(); } uint64_t a = nowns(); sendall(y.fd, t, one); while (e.msgs <= i) { fill(&y, 0); parse(&y, &e, NULL, NULL); } if (i >= 200) lat[nlat++] = nowns() - a; }
    double t1 = now(), g1 = cpu_self(); b1 = cpu_pid(brokerpid); pct(extra); out(t1 - t0, N, g1 - g0, b1 - b0, extra); close(y.fd); waitpid(ch, 0, 0);
  } else { fprintf(stderr, "bad mode\n"); return 2; }
  if (!strcmp(mode, "e2e") || !strcmp(mode, "lat") || (W && !uselib)) { /* x may have unread acks if W in lat: use a fresh connection for cleanup */
    conn z = dial(); teardown(&z); hangup(&z); close(x.fd); } else { teardown(&x); hangup(&x); }
  return 0;
}
