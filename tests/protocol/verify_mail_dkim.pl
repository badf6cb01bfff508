#!/usr/bin/perl
# Verify DKIM signatures with Mail::DKIM, asking no DNS server.
#
# verify_mail_dkim.pl RECORDS FILE...
# RECORDS has lines "NAME<tab>TXT record". One line is printed for each
# signature of each file: FILE, algorithm, result, detail, with tabs between.
use strict;
use warnings;
use Mail::DKIM::DNS;
use Mail::DKIM::Verifier;
use Net::DNS;

# Stands in for Net::DNS::Resolver: answers from a hash, and nothing else.
package FixedResolver {
    sub new {
        my ( $class, %records ) = @_;
        return bless {%records}, $class;
    }

    sub send {
        my ( $self, $name, $type ) = @_;
        my $packet = Net::DNS::Packet->new( $name, $type );
        $packet->header->qr(1);
        if ( exists $self->{$name} ) {
            my $text = $self->{$name};
            my @strings = $text =~ /(.{1,255})/g;
            $packet->push(
                answer => Net::DNS::RR->new(
                    owner   => $name,
                    type    => 'TXT',
                    txtdata => \@strings
                )
            );
        }
        else {
            $packet->header->rcode('NXDOMAIN');
        }
        return $packet;
    }

    sub errorstring { return 'NXDOMAIN' }
}

package main;

my $records = shift @ARGV;
my %txt;
open my $in, '<', $records or die "$records: $!\n";
while ( my $line = <$in> ) {
    chomp $line;
    my ( $name, $text ) = split /\t/, $line, 2;
    $txt{$name} = $text;
}
close $in;
Mail::DKIM::DNS::resolver( FixedResolver->new(%txt) );

for my $file (@ARGV) {
    open my $message, '<:raw', $file or die "$file: $!\n";
    my $verifier = Mail::DKIM::Verifier->new;
    while ( read $message, my $data, 1 << 20 ) {
        $verifier->PRINT($data);
    }
    $verifier->CLOSE;
    close $message;
    for my $signature ( $verifier->signatures ) {
        print join( "\t",
            $file, $signature->algorithm // '',
            $signature->result // '', $signature->result_detail // '' ),
          "\n";
    }
}
