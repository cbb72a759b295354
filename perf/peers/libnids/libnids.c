/*
 * Libnids is the peer that uses libnids, from a capture file: it counts the
 * octets of both directions of every connection. Checksums are off, and so is
 * what libnids does beside TCP. perf compiles it where libnids-dev is installed.
 */
#include <nids.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for closed connections too, which libnids keeps for ten seconds. */
#define STREAMS 262144

static unsigned long long text[2]; /* to the server, to the client */

static void count(struct tcp_stream *s, void **unused)
{
	(void)unused;
	switch (s->nids_state) {
	case NIDS_JUST_EST:
		s->client.collect = 1;
		s->server.collect = 1;
		break;
	case NIDS_DATA:
		text[0] += s->server.count_new;
		text[1] += s->client.count_new;
		break;
	}
}

int main(int argc, char **argv)
{
	static struct nids_chksum_ctl none;

	if (argc < 3 || strcmp(argv[1], "-file") != 0) {
		fprintf(stderr, "usage: libnids -file CAPTURE\n");
		return 2;
	}
	nids_params.filename = argv[2];
	nids_params.n_tcp_streams = STREAMS;
	nids_params.scan_num_hosts = 0;
	nids_params.pcap_filter = NULL;
	if (!nids_init()) {
		fprintf(stderr, "%s\n", nids_errbuf);
		return 1;
	}
	none.netaddr = 0;
	none.mask = 0;
	none.action = NIDS_DONT_CHKSUM;
	nids_register_chksum_ctl(&none, 1);
	nids_register_tcp((void *)count);
	nids_run();
	printf("{\"Text\":[%llu,%llu]}\n", text[0], text[1]);
	return 0;
}
