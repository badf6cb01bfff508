#!/usr/bin/perl
# Verify a message with Mail::DKIM. Keys come from a file of lines
# "NAME<tab>RECORD"; nobody is asked. One line a signature on standard output:
# DOMAIN SELECTOR ALGORITHM RESULT DETAIL.
#
# Debian's Mail::DKIM knows RSA only. For Ed25519 its parser, its
# canonicalization and its hashes are used, and openssl(1) checks the
# signature of the hash (RFC 8463).
use strict;
use warnings;

package Mail::DKIM::Algorithm::ed25519_sha256;
use parent 'Mail::DKIM::Algorithm::rsa_sha256';
use File::Temp;
use MIME::Base64;

sub file_with {
	my ($octets) = @_;
	my $file = File::Temp->new;
	binmode $file;
	print {$file} $octets;
	close $file;
	return $file;
}

sub verify {
	my ($self) = @_;
	my $raw = decode_base64($self->signature->get_public_key->data);
	my $key = file_with(pack('H*', '302a300506032b6570032100') . $raw);
	my $hash = file_with($self->{header_digest}->digest);
	my $signature = file_with(decode_base64($self->signature->data));
	my $said = qx{openssl pkeyutl -verify -pubin -keyform DER -rawin \\
	    -inkey $key -in $hash -sigfile $signature 2>&1};
	return if $? != 0;
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
	return $_[1] eq 'ed25519-sha256'
	    ? 'Mail::DKIM::Algorithm::ed25519_sha256'
	    : $algorithm_class->(@_);
};
my $hash_algorithm = \&Mail::DKIM::Signature::hash_algorithm;
*Mail::DKIM::Signature::hash_algorithm = sub {
	return $_[0]->algorithm eq 'ed25519-sha256' ? 'sha256'
	    : $hash_algorithm->(@_);
};
my $check = \&Mail::DKIM::PublicKey::check;
*Mail::DKIM::PublicKey::check = sub {
	my ($key) = @_;
	return $check->($key) if ($key->get_tag('k') // 'rsa') ne 'ed25519';
	$key->cork(bless {}, 'NoSize');
	return 1;
};

my $verifier = Mail::DKIM::Verifier->new(Strict => 1);
binmode STDIN;
my $block;
$verifier->PRINT($block) while read STDIN, $block, 65536;
$verifier->CLOSE;
for my $signature ($verifier->signatures) {
	printf "%s %s %s %s %s\n", $signature->domain, $signature->selector,
	    $signature->algorithm, $signature->result // 'none',
	    $signature->result_detail // '';
}
