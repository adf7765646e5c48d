// Certificates for tests, made when they are needed: authorities, and what
// these sign. All of them are files in the test's folder.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "runner/runner.h"

struct certificate {
    X509 *x509;
    EVP_PKEY *key;
    char file[256]; // with both in it
};

struct certificate_plan {
    const char *name;                 // CN, and the name of the file
    const char *hosts;                // "DNS:a.example,IP:127.0.0.1", or NULL
    const struct certificate *issuer; // NULL: itself
    long begins, ends;                // seconds from now, else 0 and an hour
};

static inline void certificate_add(X509 *x509, const struct certificate *issuer,
                                   int kind, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer ? issuer->x509 : x509, x509, NULL, NULL, 0);
    X509_EXTENSION *extension =
        X509V3_EXT_conf_nid(NULL, &context, kind, value);
    if (EXPECT(extension != NULL)) X509_add_ext(x509, extension, -1);
    X509_EXTENSION_free(extension);
}

static inline void certificate_write(const struct certificate *made)
{
    FILE *file = fopen(made->file, "w");
    EXPECT_OR_RETURN(file != NULL);
    EXPECT_EQ(PEM_write_X509(file, made->x509), 1);
    EXPECT_EQ(PEM_write_PrivateKey(file, made->key, NULL, NULL, 0, NULL, NULL),
              1);
    fclose(file);
}

static inline struct certificate
certificate_make(const struct certificate_plan *plan)
{
    static long serial = 1;
    struct certificate made = {.x509 = X509_new(), .key = EVP_EC_gen("P-256")};
    const struct certificate *issuer = plan->issuer ? plan->issuer : &made;
    snprintf(made.file, sizeof made.file, "%s/%s.pem", test_folder(),
             plan->name);
    X509_set_version(made.x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.x509), serial++);
    X509_gmtime_adj(X509_getm_notBefore(made.x509), plan->begins);
    X509_gmtime_adj(X509_getm_notAfter(made.x509),
                    plan->ends ? plan->ends : 3600);
    X509_set_pubkey(made.x509, made.key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.x509), "CN",
                               MBSTRING_UTF8, (const unsigned char *)plan->name,
                               -1, -1, 0);
    X509_set_issuer_name(made.x509, X509_get_subject_name(issuer->x509));
    certificate_add(made.x509, issuer, NID_basic_constraints,
                    plan->hosts ? "CA:FALSE" : "critical,CA:TRUE");
    if (plan->hosts)
        certificate_add(made.x509, issuer, NID_subject_alt_name, plan->hosts);
    EXPECT_GT(X509_sign(made.x509, issuer->key, EVP_sha256()), 0);
    certificate_write(&made);
    return made;
}

static inline void certificate_drop(struct certificate *made)
{
    if (*made->file) unlink(made->file);
    X509_free(made->x509);
    EVP_PKEY_free(made->key);
    *made = (struct certificate){.x509 = NULL};
}
