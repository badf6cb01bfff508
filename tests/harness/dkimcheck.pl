#!/usr/bin/perl
# Verify messages with Mail::DKIM. Keys come from a file of lines
# "NAME<tab>RECORD"; nobody is asked. Each message on standard input is
# preceded by a line with its length. For each signature of a message there is
# a line on standard output,
#
#     DOMAIN SELECTOR ALGORITHM RESULT B HASH DETAIL
#
# where B is b= without blanks, and after a message's last one a line ".".
#
# Debian's Mail::DKIM knows RSA only. For Ed25519 its parser, its
# canonicalization and its hashes are used: RESULT is about the body, and HASH
# is what B has to be a signature of (RFC 8463), in hexadecimal.
use strict;
use warnings;

package Mail::DKIM::Algorithm::ed25519_sha256;
use parent 'Mail::DKIM::Algorithm::rsa_sha256';

sub verify {
	my ($self) = @_;
	$self->signature->{hash} = unpack 'H*', $self->{header_digest}->digest;
	return $self->check_body_hash;
}

package NoSize;
sub size { return 256 }

package main;
use Mail::DKIM::Verifier;
use Mail::DKIM::PublicKey;
use Net::DNS;

no warnings 'redefine';

my %records;
my ($key_file) = @ARGV;
open my $keys, '<', $key_file or die "$key_file: $!\n";
while (<$keys>) {
	chomp;
	my ($name, $record) = split /\t/, $_, 2;
	$records{lc $name} = $record;
}
close $keys;

*Mail::DKIM::DNS::query = sub {
	my ($name, $type) = @_;
	my $record = $records{lc $name};
	return if !defined $record;
	return Net::DNS::RR->new(name => $name, type => 'TXT',
	    txtdata => [unpack '(a255)*', $record]);
};

my $algorithm_class = \&Mail::DKIM::Signature::get_algorithm_class;
*Mail::DKIM::Signature::get_algorithm_class = sub {
	return ($_[1] // '') eq 'ed25519-sha256'
	    ? 'Mail::DKIM::Algorithm::ed25519_sha256'
	    : $algorithm_class->(@_);
};
my $hash_algorithm = \&Mail::DKIM::Signature::hash_algorithm;
*Mail::DKIM::Signature::hash_algorithm = sub {
	return ($_[0]->algorithm // '') eq 'ed25519-sha256' ? 'sha256'
	    : $hash_algorithm->(@_);
};
my $check = \&Mail::DKIM::PublicKey::check;
*Mail::DKIM::PublicKey::check = sub {
	my ($key) = @_;
	return $check->($key) if ($key->get_tag('k') // 'rsa') ne 'ed25519';
	$key->cork(bless {}, 'NoSize');
	return 1;
};

# A word of a line: no blanks, not empty.
sub word {
	my ($text) = @_;
	$text =~ s/\s+//g if defined $text;
	return defined $text && $text ne '' ? $text : '-';
}

sub verify {
	my ($message) = @_;
	my $verifier = Mail::DKIM::Verifier->new(Strict => 1);
	for (my $at = 0; $at < length $message; $at += 65536) {
		$verifier->PRINT(substr $message, $at, 65536);
	}
	$verifier->CLOSE;
	for my $signature ($verifier->signatures) {
		my $detail = $signature->result_detail // '';
		$detail =~ s/\s+/ /g;
		print join(' ', word($signature->domain),
		    word($signature->selector), word($signature->algorithm),
		    word($signature->result), word($signature->data),
		    word($signature->{hash}), $detail), "\n";
	}
}

binmode STDIN;
binmode STDOUT;
$| = 1;
while (defined(my $length = <STDIN>)) {
	my $got = read STDIN, my $message, $length;
	die "input ends early\n" if $got != $length;
	eval { verify($message); 1 } or print '- - - died - - ',
	    $@ =~ s/\s+/ /gr, "\n";
	print ".\n";
}
